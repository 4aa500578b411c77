/** A decimal without a sign, exact: `digits` divided by ten to the power of `places`. */
interface Decimal {
  readonly digits: bigint;
  readonly places: number;
}

/** What one unit of each operation costs, in credits, by the operation's name. */
export type PriceList = ReadonlyMap<string, Decimal>;

/** A price list, and everything that is wrong with the rest, for one refusal. */
export interface ReadPriceList {
  readonly operations: PriceList;
  readonly problems: readonly string[];
}

/** What so much of an operation costs, in whole credits; null when the list has no such operation. */
export interface Cost {
  readonly amount: number | null;
  /** How much of it, in its shortest form. */
  readonly quantity: string;
}

/** At most 12 digits before the point and 9 after it. */
export const OPERATION_PRICE = '^(0|[1-9][0-9]{0,11})(?:\\.([0-9]{1,9}))?$';
/** The same, and above 0. */
export const OPERATION_QUANTITY = OPERATION_PRICE.replace('^', '^(?=.*[1-9])');
export const OPERATION_NAME = '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$';
const DECIMAL = new RegExp(OPERATION_PRICE);
const NAME = new RegExp(OPERATION_NAME);

/** Reads the price list of the catalogue file, whose member `operations` it is. */
export function readOperationsOf(json: string): ReadPriceList {
  const file = parse(json);
  const isFile = typeof file === 'object' && file !== null && 'operations' in file;
  if (!isFile) return { operations: new Map(), problems: [] };
  const { operations, problems } = readPriceList(file.operations);
  return { operations, problems: problems.map((problem) => `operations: ${problem}`) };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

/** Reads a price list from its text. */
export function parsePriceList(json: string): ReadPriceList {
  return readPriceList(parse(json));
}

/**
 * Reads what operations cost: `{ "render": 10, "tokens": "0.002" }`. Decimals are texts, because
 * a JSON number is a binary fraction for most who write it.
 * @param source the parsed JSON
 */
export function readPriceList(source: unknown): ReadPriceList {
  const operations = new Map<string, Decimal>();
  if (typeof source !== 'object' || source === null || Array.isArray(source)) {
    return { operations, problems: ['is not an object such as {"render": 10, "tokens": "0.002"}'] };
  }
  const problems: string[] = [];
  for (const [name, value] of Object.entries(source)) {
    const price = readDecimal(value);
    const quoted = JSON.stringify(name.slice(0, 100));
    if (!NAME.test(name)) {
      problems.push(`${quoted} is no name: up to 100 letters, digits and _ . : -`);
    } else if (!price || price.digits === 0n) {
      problems.push(`${quoted} must cost a whole number above 0 or a decimal such as "0.002"`);
    } else operations.set(name, price);
  }
  return { operations, problems };
}

/**
 * Multiplies exactly and rounds up to whole credits: what is used is never free.
 * @param quantity a whole number or a text that matches `OPERATION_QUANTITY`
 */
export function costOf(prices: PriceList, name: string, quantity: number | string): Cost {
  const times = readDecimal(quantity);
  if (!times || times.digits === 0n) throw new RangeError(`no quantity: ${quantity}`);
  const price = prices.get(name);
  if (!price) return { amount: null, quantity: shortest(times) };
  const unit = 10n ** BigInt(price.places + times.places);
  const amount = (price.digits * times.digits + unit - 1n) / unit;
  return { amount: Number(amount), quantity: shortest(times) };
}

/** The decimal as it is read again, for the price list that is shown. */
export function shortest({ digits, places }: Decimal): string {
  const text = digits.toString().padStart(places + 1, '0');
  const whole = text.slice(0, text.length - places);
  const fraction = text.slice(text.length - places).replace(/0+$/, '');
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

function readDecimal(value: unknown): Decimal | null {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== 'string') return null;
  const [, whole, fraction = ''] = DECIMAL.exec(text) ?? [];
  if (whole === undefined) return null;
  return { digits: BigInt(whole + fraction), places: fraction.length };
}
