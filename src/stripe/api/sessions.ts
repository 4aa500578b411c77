import { at, isObject, type Json } from '../shapes/json.ts';
import type { Answer, StripeApi } from './api.ts';

/**
 * What is expanded of a session: what was received, and when it came. In a list it is the deepest
 * path that Stripe takes, four levels.
 * @see https://docs.stripe.com/api/expanding_objects
 */
export const SESSION_CHARGE = 'payment_intent.latest_charge.balance_transaction';

/** Fetches a checkout session as it is now, with its payment intent, and how that was paid. */
export async function fetchSession(api: StripeApi, id: string): Promise<Answer<Json>> {
  const answer = await api.ask((client) =>
    client.checkout.sessions.retrieve(id, { expand: [SESSION_CHARGE] }),
  );
  if (answer.kind !== 'answer') return answer;
  const value: unknown = answer.value;
  if (isObject(value)) return { kind: 'answer', value };
  return { kind: 'unusable', reason: "Stripe's answer is no session" };
}

/** Why a session as Stripe knows it now will not be paid any more; null when it is, or may be. */
export function whyNeverPaid(session: Json): string | null {
  if (at(session, 'payment_status') !== 'unpaid') return null;
  if (at(session, 'status') === 'expired') return 'its checkout session expired';
  if (at(session, 'status') !== 'complete') return null;
  switch (at(session, 'payment_intent', 'status')) {
    case 'canceled':
      return 'its payment was canceled';
    // To complete it the buyer had named a method, which has failed since; the buyer must order anew.
    case 'requires_payment_method':
      return 'its payment failed';
    default:
      return null;
  }
}
