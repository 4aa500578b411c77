import { at, type Json, wholeNumber } from './json.ts';

/**
 * Whether a refund only releases what was authorized and not captured: then nothing that was paid
 * goes back. Null when that cannot be told, because its charge is not expanded or its balance
 * transaction is still to come. Of a charge that
 *
 * - was not captured, it is a release: nothing was paid;
 * - was captured in full, it is none: there is nothing to release;
 * - was captured in part, its balance transaction tells. Up to API version 2025-02-24.acacia the
 *   whole came into the balance, and what is released left it as a `partial_capture_reversal`; from
 *   2025-03-31.basil on no refund is made of it, so each is a real one. Without a transaction it can
 *   only be a release if it is of just what was not captured, and one that has succeeded so is: it
 *   moved no money. The charge's `amount_refunded` tells nothing more, as it counts both alike.
 *
 * It takes a refund with its `charge` and its `balance_transaction` expanded, in any API version.
 * @see https://docs.stripe.com/reports/reporting-categories
 * @see https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow
 */
export function isRelease(refund: Json): boolean | null {
  if (at(refund, 'charge') === null) return false;
  const captured = at(refund, 'charge', 'captured');
  if (captured === undefined) return null;
  // The charge of a slow payment is not captured either as long as it is pending.
  if (captured === false) return at(refund, 'charge', 'status') === 'succeeded';
  const uncaptured = uncapturedOf(at(refund, 'charge'));
  if (uncaptured === 0) return false;
  const category = at(refund, 'balance_transaction', 'reporting_category');
  if (category !== undefined) return category === 'partial_capture_reversal';
  if (wholeNumber(at(refund, 'amount')) !== uncaptured) return false;
  return at(refund, 'status') === 'succeeded' ? true : null;
}

/** Whether only a balance transaction can tell the releases of a charge from its refunds. */
export function isCapturedInPart(charge: Json): boolean {
  return at(charge, 'captured') !== false && uncapturedOf(charge) !== 0;
}

/** In the currency's smallest unit; nothing where the charge does not say. */
function uncapturedOf(charge: unknown): number {
  const [amount, captured] = ['amount', 'amount_captured'].map((field) =>
    wholeNumber(at(charge, field)),
  );
  return amount == null || captured == null ? 0 : Math.max(0, amount - captured);
}
