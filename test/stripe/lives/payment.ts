/** A payment as plain arithmetic sees it. */
export interface PaymentModel {
  /** Its session, invoice and payment intent, as far as it has them. */
  readonly names: readonly string[];
  readonly granted: number;
  /** When what is left of it expires, in milliseconds since 1970; null for never. */
  readonly expiresAt: number | null;
  /** Cents that it cost, and what of them was charged: the rest was the customer's credit. */
  readonly paid: number;
  readonly charged: number;
  readonly intent: string | null;
  readonly invoice: string | null;
  /** Cents that are back, by what took them. */
  readonly back: Map<string, number>;
}

/** Credits that a payment must miss: the share of its money that is back, rounded down. */
export function missingOf({ granted, paid, back }: PaymentModel): number {
  if (paid === 0) return 0;
  const gone = [...back.values()].reduce((sum, amount) => sum + amount, 0);
  return Math.floor((granted * Math.min(gone, paid)) / paid);
}
