import { apportion } from '../../ledger/core/apportion.ts';
import { type Grant, MAX_AMOUNT, MAX_GRANTS } from '../../ledger/core/command.ts';
import type { Category } from '../../ledger/core/entry.ts';
import { sum } from '../../sum.ts';
import { expiryOf, type PublishedTerms } from '../catalogue/terms.ts';
import { type Amounts, byId } from '../shapes/line-amounts.ts';
import type { Paid } from '../shapes/money.ts';
import type { Line, Period } from '../shapes/shapes.ts';

/** What the lines of a payment are worth. */
export type Worth =
  | {
      readonly kind: 'grant';
      readonly grants: readonly [Grant, ...Grant[]];
      /** What each line of the invoice cost; null when that is not known. */
      readonly lineAmounts: Amounts | null;
    }
  | { readonly kind: 'nothing'; readonly reason: string }
  | { readonly kind: 'unknown_price'; readonly price: string }
  | { readonly kind: 'unusable'; readonly reason: string };

/** What was paid for: which kind of credits, and under which name in the statement. */
export interface Purchase {
  readonly key: string;
  /** For lines whose terms name no category. */
  readonly category: Category;
  readonly reason: string;
  /** Whether the order as a whole cost nothing. */
  readonly free: boolean;
  /** Whether lines that cost nothing may grant at all, where their terms allow it. */
  readonly freeLines: boolean;
  /** Whether it is an invoice that no subscription made: only terms that say so grant. */
  readonly manual: boolean;
  readonly money: Paid;
  /** When it was paid, in seconds since 1970. */
  readonly paidAt: number;
}

/** The terms that hold for a payment, by price id. */
type PublishedByPrice = ReadonlyMap<string, PublishedTerms>;

/** The prices of lines, for a look-up of their terms. */
export function pricesOf(lines: readonly Line[]): readonly string[] {
  return lines.flatMap(({ price }) => price ?? []);
}

/**
 * Credits = Σ quantity × credits of the price. A proration line grants nothing, or upgrade, burn,
 * downgrade would mint credits; a line that cost nothing grants only where its terms say so. One
 * unknown price leaves all lines waiting: a payment is granted as a whole or not yet. Of what was
 * paid in part it is the same part of all credits, rounded down.
 */
export function worthOf(
  purchase: Purchase,
  lines: readonly Line[],
  terms: PublishedByPrice,
): Worth {
  if (purchase.manual && !lines.some((line) => termsOf(line, terms)?.manual === 'grant')) {
    return { kind: 'nothing', reason: 'no price of it gives credits on a manual invoice' };
  }
  const unknown = lines.find(({ price }) => price !== null && !terms.has(price));
  if (unknown?.price) return { kind: 'unknown_price', price: unknown.price };

  const grants: Grant[] = [];
  for (const line of lines) {
    const found = grantOf(purchase, line, terms);
    if (typeof found === 'string') return { kind: 'unusable', reason: found };
    if (found !== null) grants.push(found);
  }
  const total = sum(grants.map(({ amount }) => amount));
  if (total > MAX_AMOUNT) {
    return { kind: 'unusable', reason: `it is worth more than ${MAX_AMOUNT} credits` };
  }
  if (grants.length > MAX_GRANTS) {
    return { kind: 'unusable', reason: `it has more than ${MAX_GRANTS} lines with credits` };
  }
  const [first, ...others] = partPaid(purchase.money, grants);
  if (first) {
    return {
      kind: 'grant',
      grants: [first, ...others],
      lineAmounts: lineAmountsOf(lines, purchase),
    };
  }
  return { kind: 'nothing', reason: whyNothing(purchase, grants) };
}

/** The part of the grants that was paid. */
function partPaid({ amount, total }: Paid, grants: readonly Grant[]): readonly Grant[] {
  if (amount >= total) return grants;
  const credits = apportion(
    grants.map((grant) => grant.amount),
    amount,
    total,
  );
  return grants
    .map((grant, i) => ({
      ...grant,
      amount: credits[i] ?? 0,
      metadata: { ...grant.metadata, paid: `${amount}/${total}` },
    }))
    .filter((grant) => grant.amount > 0);
}

function whyNothing({ free, money }: Purchase, grants: readonly Grant[]): string {
  if (grants.length > 0) {
    return `${money.amount} of ${money.total} ${money.currency} were paid: no whole credit`;
  }
  return free
    ? 'it was free of charge, and no price of it gives credits for that'
    : 'no line of it gives credits';
}

/** What each line cost, where that adds up to what was paid: shipping, for one, is on no line. */
function lineAmountsOf(lines: readonly Line[], { money }: Purchase): Amounts | null {
  const totals = lines.map(({ total }) => total);
  if (!totals.every((total) => total !== null) || sum(totals) !== money.amount) return null;
  // Beside a line of less than nothing no other has cost what it says.
  if (totals.some((total) => total < 0)) return null;
  return byId(lines.map(({ id }, i) => [id, totals[i] ?? 0]));
}

function termsOf({ price }: Line, terms: PublishedByPrice): PublishedTerms | undefined {
  return price === null ? undefined : terms.get(price);
}

/** What one line grants, null for nothing, or why that cannot be told. */
function grantOf(purchase: Purchase, line: Line, terms: PublishedByPrice): Grant | null | string {
  const { id, price, quantity, proration } = line;
  const known = termsOf(line, terms);
  if (price === null || known === undefined || known.credits === 0 || proration) return null;
  if (purchase.manual && known.manual !== 'grant') return null;
  if (line.cost === null) return 'a line has no usable amount';
  const cost = purchase.free && line.cost === 'paid' ? 'free' : line.cost;
  if (cost === 'credit') return null;
  if (cost !== 'paid' && !(purchase.freeLines && known[cost] === 'grant')) return null;
  if (quantity === null || quantity < 0) return 'a line has no usable quantity';
  if (quantity === 0) return null;
  const isRecurring = purchase.category === 'included';
  if (known.expires === 'period_end' && isRecurring && line.period === null) {
    return 'a line has no usable period';
  }
  return {
    category: known.category ?? purchase.category,
    priority: 0,
    amount: quantity * known.credits,
    expiresAt: expiryOf(known.expires, purchase.paidAt, isRecurring ? lastingOf(line) : null),
    invoiceLine: line.total === null ? null : id,
    reason: purchase.reason,
    ref: purchase.key,
    metadata: {
      price,
      quantity: String(quantity),
      ...(id !== null && { line: id }),
      catalogue_version: String(known.version),
    },
  };
}

/**
 * The period that a line is for. What was added by hand has one as well, also on the invoice of a
 * subscription: the moment at which it was added.
 */
function lastingOf({ period }: Line): Period | null {
  return period === null || period.end === period.start ? null : period;
}
