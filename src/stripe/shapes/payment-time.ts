import { LAST_SECOND, type Told } from './event.ts';
import { at, type Json, wholeNumber } from './json.ts';

/**
 * When a payment was made, in seconds since 1970, as nearly as Stripe tells. An invoice says it
 * itself. A session does not: there its event counts, else when its money came, else the charge or,
 * when it was not asked for, the object. Null when none can be read.
 */
export function paymentTime({
  id,
  created,
  object,
}: Pick<Told, 'id' | 'created' | 'object'>): number | null {
  return (
    readSecond(at(object, 'status_transitions', 'paid_at')) ??
    (id === null ? null : created) ??
    moneyTime(object) ??
    readSecond(at(object, ...CHARGE, 'created')) ??
    readSecond(at(object, 'created'))
  );
}

const CHARGE = ['payment_intent', 'latest_charge'] as const;

/**
 * When the money of a session came into Stripe's balance, in seconds since 1970; null when Stripe
 * does not tell. A charge is older, by days, where it was captured by hand or paid by a slow method.
 * Of a bank debit Stripe may book the money when it hands the debit to the bank, which is between
 * the two.
 * @see https://support.stripe.com/questions/changes-to-balance-transaction-behavior-for-debit-payment-methods
 */
export function moneyTime(session: Json): number | null {
  return readSecond(at(session, ...CHARGE, 'balance_transaction', 'created'));
}

/** Whether a second since 1970 is over by then. */
export const isBefore = (second: number, moment: Date) => (second + 1) * 1000 <= moment.getTime();

function readSecond(value: unknown): number | null {
  const second = wholeNumber(value);
  return second !== null && second >= 0 && second <= LAST_SECOND ? second : null;
}
