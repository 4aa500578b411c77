import { isObject, type Json } from '../shapes/json.ts';
import type { Answer, StripeApi } from './api.ts';

/** Fetches a checkout session as it is now, with its payment intent and the charge of that. */
export async function fetchSession(api: StripeApi, id: string): Promise<Answer<Json>> {
  const answer = await api.ask((client) =>
    client.checkout.sessions.retrieve(id, { expand: ['payment_intent.latest_charge'] }),
  );
  if (answer.kind !== 'answer') return answer;
  const value: unknown = answer.value;
  if (isObject(value)) return { kind: 'answer', value };
  return { kind: 'unusable', reason: "Stripe's answer is no session" };
}
