import { LAST_SECOND } from '../shapes/event.ts';
import type { Period } from '../shapes/shapes.ts';

/** Whether lines that cost nothing give credits all the same. */
type Policy = 'none' | 'grant';

/**
 * When what is left of a grant expires: `never`; `30 days` after the payment, at the end of that
 * UTC day; or `period_end`, with the billing period that its invoice line paid for. A one-off payment
 * has no period, so there `period_end` is never.
 */
export type Expiry = 'never' | 'period_end' | `${number} days` | `${number} day`;

/** What one unit of a price gives, and under which terms. */
export interface Terms {
  /** Whole credits for one unit, 0 to `MAX_AMOUNT`; 0 says: known, gives nothing. */
  readonly credits: number;
  /** Null for what the kind of payment says: a purchase, or included in a subscription. */
  readonly category: 'purchase' | 'included' | 'bonus' | null;
  readonly expires: Expiry;
  /** For a subscription's line that costs nothing without a discount, as in a trial. */
  readonly trial: Policy;
  /** For a line or an order that a discount made free. */
  readonly free: Policy;
  /** For a line of an invoice that no subscription made: written by hand, or by the API. */
  readonly manual: Policy;
  /** For the pricing page; null for what Stripe's product says. */
  readonly name: string | null;
  readonly description: string | null;
  readonly forSale: boolean;
}

/** Terms by price id: a Map, because ids are opaque and `__proto__` must not be found by chance. */
export type TermsByPrice = ReadonlyMap<string, Terms>;

/** The terms in force for a price, and their number in the price's history. */
export interface PublishedTerms extends Terms {
  readonly version: number;
}

/** In seconds. */
const DAY = 86_400;

/**
 * The moment at which credits under these terms expire, in milliseconds since 1970; null for never.
 * Days end with the UTC day, so that all lots of one day expire together. It may have passed
 * already: of a payment that was told late.
 * @param paidAt when it was paid, in seconds since 1970
 * @param period what was paid for; null for a one-off payment
 */
export function expiryOf(expires: Expiry, paidAt: number, period: Period | null): number | null {
  if (expires === 'never') return null;
  if (expires === 'period_end') return period && period.end * 1000;
  const day = Math.floor(paidAt / DAY) + Number.parseInt(expires, 10);
  return Math.min((day + 1) * DAY, LAST_SECOND) * 1000;
}
