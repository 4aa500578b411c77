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
  /** Cents that are back, by what took them. */
  readonly back: Map<string, number>;
}

export interface GrantModel {
  readonly kind: 'purchase' | 'included';
  readonly credits: number;
  /** When what is left of it expires, in milliseconds since 1970; null for never. */
  readonly expiresAt: number | null;
}

/** Credits that a payment gave. */
export function grantedBy({ grants }: Pick<PaymentModel, 'grants'>): number {
  return grants.reduce((sum, { credits }) => sum + credits, 0);
}

/** Credits that a payment must miss: the share of its money that is back, rounded down. */
export function missingOf({ grants, paid, back }: PaymentModel): number {
  if (paid === 0) return 0;
  const gone = [...back.values()].reduce((sum, amount) => sum + amount, 0);
  return Math.floor((grantedBy({ grants }) * Math.min(gone, paid)) / paid);
}

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
