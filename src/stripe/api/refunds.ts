import { isObject, type Json } from '../shapes/json.ts';
import type { Answer, StripeApi } from './api.ts';

/** What is expanded of a refund, for `isRelease`. */
export const REFUND_EXPANDED = ['charge', 'balance_transaction'] as const;

/** Fetches a refund as it is now, with its charge and its balance transaction. */
export async function fetchRefund(api: StripeApi, id: string): Promise<Answer<Json>> {
  const answer = await api.ask((client) =>
    client.refunds.retrieve(id, { expand: [...REFUND_EXPANDED] }),
  );
  if (answer.kind !== 'answer') return answer;
  const value: unknown = answer.value;
  if (isObject(value)) return { kind: 'answer', value };
  return { kind: 'unusable', reason: "Stripe's answer is no refund" };
}
