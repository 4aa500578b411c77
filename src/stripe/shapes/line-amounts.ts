import { sum } from '../../sum.ts';
import { at, idOf, isObject, type Json, wholeNumber } from './json.ts';

/** Amounts by the id of what each is of, such as the lines of an invoice; in the smallest unit. */
export type Amounts = Readonly<Record<string, number>>;

/**
 * A line's amount after discounts; null when it cannot be told. `amount` is before discounts, and
 * `discount_amounts` are the line's own and its share of others.
 */
export function netOf(line: Json): number | null {
  const off = amountsOf(at(line, 'discount_amounts') ?? []);
  const gross = wholeNumber(at(line, 'amount'));
  return gross === null || off === null ? null : gross - sum(off);
}

/**
 * What a line of an invoice or of a credit note comes to: after discounts, with the taxes that its
 * amount does not include. Null when it cannot be told.
 */
export function totalOf(line: Json): number | null {
  const net = netOf(line);
  // `tax_amounts` up to 2025-02-24.acacia.
  const taxes = at(line, 'taxes') ?? at(line, 'tax_amounts') ?? [];
  const added = Array.isArray(taxes) ? amountsOf(taxes.filter((tax) => !isIncluded(tax))) : null;
  return net === null || added === null ? null : net + sum(added);
}

const isIncluded = (tax: unknown) =>
  at(tax, 'tax_behavior') === 'inclusive' || at(tax, 'inclusive') === true;

/**
 * What a credit note gives back of which lines of its invoice. Null when it names none, or its lines
 * cannot be read, are not all here, or do not add up to what it gives back.
 */
export function creditedLines(note: Json, given: number): Amounts | null {
  const lines = at(note, 'lines', 'data');
  if (!Array.isArray(lines) || !lines.every(isObject) || !hasAllLines(note)) return null;
  const totals = lines.map(totalOf);
  if (!totals.every((total) => total !== null && total >= 0)) return null;
  if (sum(totals as number[]) !== given) return null;
  return byId(lines.map((line, i) => [idOf(at(line, 'invoice_line_item')), totals[i] ?? 0]));
}

/** Whether a credit note holds all of its lines: it comes with the first ten. */
export function hasAllLines(note: Json): boolean {
  return at(note, 'lines', 'has_more') !== true;
}

/** The sums by id; what has none is left out. Null when nothing is left. */
export function byId(amounts: readonly (readonly [string | null, number])[]): Amounts | null {
  const sums = new Map<string, number>();
  for (const [id, amount] of amounts) {
    if (id !== null) sums.set(id, (sums.get(id) ?? 0) + amount);
  }
  return sums.size === 0 ? null : Object.fromEntries(sums);
}

function amountsOf(list: unknown): readonly number[] | null {
  if (!Array.isArray(list)) return null;
  const amounts = list.map((one) => wholeNumber(at(one, 'amount')));
  return amounts.every((amount) => amount !== null) ? amounts : null;
}
