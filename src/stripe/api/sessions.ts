import { isObject, type Json } from '../shapes/json.ts';
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
