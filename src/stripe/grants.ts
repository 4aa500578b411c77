import { type Grant, MAX_AMOUNT, MAX_GRANTS } from '../ledger/command.ts';
import type { Category } from '../ledger/entry.ts';
import type { Catalogue } from './catalogue.ts';
import type { Line } from './shapes.ts';

/** What the lines of a payment are worth. */
export type Worth =
  | { readonly kind: 'grant'; readonly grants: readonly [Grant, ...Grant[]] }
  | { readonly kind: 'nothing'; readonly reason: string }
  | { readonly kind: 'unknown_price'; readonly price: string }
  | { readonly kind: 'unusable'; readonly reason: string };

/** What was paid for: which kind of credits, and under which name in the statement. */
export interface Purchase {
  readonly key: string;
  readonly category: Category;
  readonly reason: string;
}

/**
 * Credits = Σ quantity × credits of the price. A proration line grants nothing, or upgrade, burn,
 * downgrade would mint credits; neither does a line that cost nothing after discounts. One unknown
 * price leaves all lines waiting: a payment is granted as a whole or not yet.
 */
export function worthOf(purchase: Purchase, lines: readonly Line[], catalogue: Catalogue): Worth {
  const unknown = lines.find(({ price }) => price !== null && !catalogue.has(price));
  if (unknown?.price) return { kind: 'unknown_price', price: unknown.price };

  const grants: Grant[] = [];
  let total = 0;
  for (const { id, price, quantity, paid, proration } of lines) {
    const credits = price === null ? 0 : (catalogue.get(price) ?? 0);
    if (credits === 0 || proration || paid === false) continue;
    if (paid === null) return { kind: 'unusable', reason: 'a line has no usable amount' };
    if (quantity === null || quantity < 0) {
      return { kind: 'unusable', reason: 'a line has no usable quantity' };
    }
    if (quantity === 0) continue;
    const amount = quantity * credits;
    total += amount;
    const { key: ref, category, reason } = purchase;
    const metadata = { price: price ?? '', quantity: String(quantity), line: id };
    grants.push({ category, amount, expiresAt: null, reason, ref, metadata });
  }
  if (total > MAX_AMOUNT) {
    return { kind: 'unusable', reason: `it is worth more than ${MAX_AMOUNT} credits` };
  }
  if (grants.length > MAX_GRANTS) {
    return { kind: 'unusable', reason: `it has more than ${MAX_GRANTS} lines with credits` };
  }
  const [first, ...others] = grants;
  if (!first) return { kind: 'nothing', reason: 'no line of it gives credits' };
  return { kind: 'grant', grants: [first, ...others] };
}
