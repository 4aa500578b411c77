import { type ModelNote, missingByLine } from '../reversals/notes-model.ts';

/** A payment as plain arithmetic sees it. */
export interface PaymentModel {
  /** Its session, invoice and payment intent, as far as it has them. */
  readonly names: readonly string[];
  /** What each of its lines gave, as far as they gave something. */
  readonly grants: readonly GrantModel[];
  /** Cents that it cost, and what of them was charged: the rest was the customer's credit. */
  readonly paid: number;
  readonly charged: number;
  /** Cents that were authorized and not captured. */
  readonly released: number;
  readonly intent: string | null;
  readonly invoice: string | null;
  /** What each line of its invoice cost, by its id; null where money is back of all as one. */
  readonly lines: ReadonlyMap<string, number> | null;
  /** Cents that refunds and disputes took back, by their ids. */
  readonly back: Map<string, number>;
  readonly notes: ModelNote[];
}

export interface GrantModel {
  readonly kind: 'purchase' | 'included';
  readonly credits: number;
  /** When what is left of it expires, in milliseconds since 1970; null for never. */
  readonly expiresAt: number | null;
  /** The line of an invoice that was paid for it. */
  readonly line: string | null;
}

/** Credits that a payment gave. */
export function grantedBy({ grants }: Pick<PaymentModel, 'grants'>): number {
  return sum(grants.map(({ credits }) => credits));
}

/**
 * Credits that a payment must miss: the share of its money that is back, rounded down; of a line
 * what is back of that.
 */
export function missingOf(payment: PaymentModel): number {
  const left = leftByLine(payment);
  if (left !== null) return grantedBy(payment) - sum([...left.values()]);
  const { paid, back, notes } = payment;
  if (paid === 0) return 0;
  const gone = sum([...back.values(), ...notes.map(({ own }) => own)]);
  return Math.floor((grantedBy(payment) * Math.min(gone, paid)) / paid);
}

/** What is left of the grants by the line that was paid for each; null where lines do not matter. */
export function leftByLine(payment: PaymentModel): ReadonlyMap<string, number> | null {
  const { grants, back, notes } = payment;
  if (payment.lines === null) return null;
  const lines = [...payment.lines].map(([id, paid]) => {
    return { id, paid, credits: grants.find(({ line }) => line === id)?.credits ?? 0 };
  });
  const live = new Map([...back].filter(([, amount]) => amount > 0));
  const missing = missingByLine({ lines, refunds: live, disputes: new Map(), notes });
  const left = lines.map(({ id, credits }, i) => [id, credits - (missing[i] ?? 0)] as const);
  return new Map(left.filter(([id]) => grants.some(({ line }) => line === id)));
}

const sum = (amounts: readonly number[]) => amounts.reduce((total, one) => total + one, 0);

/** A part of some cents, at least one. */
export const shareOf = (cents: number, percent: number) =>
  Math.max(1, Math.floor((cents * percent) / 100));

/** What is given when a part was paid: of all its share, rounded down, by largest remainder. */
export function partOf(
  grants: readonly GrantModel[],
  paid: number,
  asked: number,
): readonly GrantModel[] {
  if (paid >= asked) return grants;
  const shares = grants.map((one) => ({
    ...one,
    credits: Math.floor((one.credits * paid) / asked),
  }));
  let left = Math.floor((grantedBy({ grants }) * paid) / asked) - grantedBy({ grants: shares });
  const remainderOf = (i: number) => ((grants[i]?.credits ?? 0) * paid) % asked;
  const order = grants.map((_, i) => i).sort((a, b) => remainderOf(b) - remainderOf(a));
  const raised = new Set(order.filter(() => left-- > 0));
  return shares
    .map((one, i) => ({ ...one, credits: one.credits + (raised.has(i) ? 1 : 0) }))
    .filter(({ credits }) => credits > 0);
}
