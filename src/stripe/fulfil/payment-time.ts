import { LAST_SECOND, type Told } from '../shapes/event.ts';
import { at, wholeNumber } from '../shapes/json.ts';

/**
 * When a payment was made, in seconds since 1970, by Stripe's word alone: so it is the same for
 * every server, whoever tells of the payment and however late. An invoice says it itself. A session
 * does not: there its event counts, else the charge or, when it was not asked for, the object. Null
 * when none of these can be read.
 */
export function paymentTime({
  id,
  created,
  object,
}: Pick<Told, 'id' | 'created' | 'object'>): number | null {
  return (
    readSecond(at(object, 'status_transitions', 'paid_at')) ??
    (id === null ? null : created) ??
    readSecond(at(object, 'payment_intent', 'latest_charge', 'created')) ??
    readSecond(at(object, 'created'))
  );
}

function readSecond(value: unknown): number | null {
  const second = wholeNumber(value);
  return second !== null && second >= 0 && second <= LAST_SECOND ? second : null;
}
