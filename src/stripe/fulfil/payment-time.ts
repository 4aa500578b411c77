import { LAST_SECOND, type Told } from '../shapes/event.ts';
import { at, wholeNumber } from '../shapes/json.ts';

/**
 * When a payment was made, in seconds since 1970, as nearly as Stripe tells. An invoice says it
 * itself. A session does not: there its event counts, else the charge or, when it was not asked for,
 * the object. The charge of a slow payment was made before the money came, so such a payment may be
 * dated days earlier by a sync or by reconciling than by its event. Null when none can be read.
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
