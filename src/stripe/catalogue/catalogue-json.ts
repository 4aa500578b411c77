import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { isStorable } from '../../db/text.ts';
import { MAX_AMOUNT } from '../../ledger/core/command.ts';
import { OPERATION_NAME, OPERATION_PRICE } from '../../price-list.ts';
import { isId, isObject } from '../shapes/json.ts';
import type { Expiry, Terms, TermsByPrice } from './terms.ts';

const Credits = Type.Integer({
  minimum: 0,
  maximum: MAX_AMOUNT,
  description: 'Whole credits for one unit. 0: the price is known and gives nothing.',
});

const text = (maxLength: number, description: string) =>
  Type.Optional(
    Type.String({ minLength: 1, maxLength, pattern: '^[^\\u0000-\\u001F\\u007F]*$', description }),
  );

const policy = (description: string) =>
  Type.Optional(Type.Enum(['none', 'grant'] as const, { description, default: 'none' }));

/** Terms, as the operator writes them. */
const TermsJson = Type.Object(
  {
    credits: Credits,
    category: Type.Optional(
      Type.Enum(['purchase', 'included', 'bonus'] as const, {
        description: 'Left out: purchase for one-off payments, included for subscriptions.',
      }),
    ),
    expires: Type.Optional(
      Type.String({
        pattern: '^(never|period_end|1 day|([2-9]|[1-9][0-9]{1,3}) days)$',
        description:
          'never, days after the payment such as "30 days", or period_end: with the billing period.',
        default: 'never',
      }),
    ),
    trial: policy('Whether an invoice line that costs nothing without a discount gives credits.'),
    free: policy('Whether a line or an order that was discounted to nothing gives credits.'),
    manual: policy('Whether a line of an invoice that no subscription made gives credits.'),
    name: text(250, 'For the pricing page, instead of the name of Stripe’s product.'),
    description: text(1000, 'For the pricing page, instead of the product’s.'),
    for_sale: Type.Optional(
      Type.Boolean({
        description: 'false: old purchases and renewals count, but it is not listed.',
        default: true,
      }),
    ),
  },
  { additionalProperties: false },
);

/** JSON Schema of the catalogue file. */
export const CatalogueFile = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    prices: Type.Record(
      Type.String({ minLength: 1, maxLength: 255 }),
      Type.Union([Credits, TermsJson]),
      { description: 'By the id of Stripe’s Price: credits, or credits with their terms.' },
    ),
    operations: Type.Optional(
      Type.Record(
        Type.String({ pattern: OPERATION_NAME }),
        Type.Union([Type.Integer({ minimum: 1 }), Type.String({ pattern: OPERATION_PRICE })]),
        { description: 'What one unit of each operation costs, in credits: 10, or "0.002".' },
      ),
    ),
  },
  {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Purser’s catalogue: what each price gives',
    additionalProperties: false,
  },
);

/** What a member must be, to be read after its name. */
const RULES: Readonly<Record<string, string>> = {
  credits: `must be a whole number from 0 to ${MAX_AMOUNT}`,
  category: 'must be "purchase", "included" or "bonus"',
  expires: 'must be "never", "period_end" or 1 to 9999 days, such as "30 days"',
  trial: 'must be "none" or "grant"',
  free: 'must be "none" or "grant"',
  manual: 'must be "none" or "grant"',
  name: 'must be a text of 1 to 250 characters on one line',
  description: 'must be a text of 1 to 1000 characters on one line',
  for_sale: 'must be true or false',
};

/** Terms by price, and everything that is wrong with the rest, for one refusal. */
export interface ReadPrices {
  readonly prices: TermsByPrice;
  readonly problems: readonly string[];
}

const nothing = (problem: string): ReadPrices => ({ prices: new Map(), problems: [problem] });

/** Reads `STRIPE_PRICE_TO_CREDITS_JSON`, such as `{"price_x": 100, "price_y": {"credits": 50}}`. */
export function parsePriceCredits(json: string): ReadPrices {
  const parsed = parseJson(json);
  if (parsed === undefined) return nothing('is not JSON');
  if (!isObject(parsed)) return nothing('is not an object such as {"price_x": 100}');
  return readPrices(parsed);
}

/**
 * Reads the prices of the catalogue file, such as `{"prices": {"price_x": 100}}`; what operations
 * cost stands in the same file and is read elsewhere.
 */
export function parseCatalogueFile(json: string): ReadPrices {
  const parsed = parseJson(json);
  if (parsed === undefined) return nothing('is not JSON');
  const form = 'is not an object such as {"prices": {"price_x": 100}}';
  if (!isObject(parsed)) return nothing(form);
  const { prices, operations: _, $schema: __, ...others } = parsed;
  const { prices: read, problems } = isObject(prices) ? readPrices(prices) : nothing(form);
  return { prices: read, problems: [...Object.keys(others).map(isUnknown), ...problems] };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function readPrices(source: object): ReadPrices {
  const problems: string[] = [];
  const prices = new Map<string, Terms>();
  for (const [price, value] of Object.entries(source)) {
    if (!isId(price)) {
      problems.push('has a price id that is empty or longer than 255 characters');
      continue;
    }
    const read = readTerms(isObject(value) ? value : { credits: value });
    if (read.ok) prices.set(price, read.terms);
    else problems.push(...read.problems.map((problem) => `${price}: ${problem}`));
  }
  return { prices, problems };
}

type ReadTerms =
  | { readonly ok: true; readonly terms: Terms }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads the terms of one price.
 * @param nameOf how a member is called where the operator wrote it
 */
export function readTerms(json: object, nameOf = (member: string) => member): ReadTerms {
  const problems = [...new Set(findBad(json))].map((member) => {
    const rule = Object.hasOwn(RULES, member) ? RULES[member] : undefined;
    return rule === undefined ? isUnknown(nameOf(member)) : `${nameOf(member)} ${rule}`;
  });
  if (problems.length > 0) return { ok: false, problems };
  const { credits, category, expires, trial, free, manual, name, description, for_sale } =
    json as Static<typeof TermsJson>;
  return {
    ok: true,
    terms: {
      credits,
      category: category ?? null,
      expires: (expires ?? 'never') as Expiry,
      trial: trial ?? 'none',
      free: free ?? 'none',
      manual: manual ?? 'none',
      name: name ?? null,
      description: description ?? null,
      forSale: for_sale ?? true,
    },
  };
}

/** The members that are missing, malformed or unknown. */
function findBad(json: object): readonly string[] {
  const broken = Value.Errors(TermsJson, json).flatMap((error) => {
    if (error.keyword === 'required') return error.params.requiredProperties;
    if (error.keyword === 'additionalProperties') return error.params.additionalProperties;
    // An unknown member is told a second time, as one whose schema is `false`.
    return error.keyword === 'boolean' ? [] : [error.instancePath.slice(1)];
  });
  const texts = Object.entries(json).filter(([, value]) => typeof value === 'string');
  return [...broken, ...texts.filter(([, value]) => !isStorable(value)).map(([name]) => name)];
}

/** The longest name that is said back, in characters. */
const MAX_NAME = 100;

function isUnknown(member: string): string {
  return `${JSON.stringify(member.slice(0, MAX_NAME))} is not known here`;
}
