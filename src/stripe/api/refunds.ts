import { isObject, type Json } from '../shapes/json.ts';
import { type Answer, askForAll, type StripeApi } from './api.ts';

/** What is expanded of a refund, for `isRelease`, and of a list of them. */
export const REFUND_EXPANDED = ['charge', 'balance_transaction'];
export const REFUNDS_EXPANDED = REFUND_EXPANDED.map((path) => `data.${path}`);

/** Fetches a refund as it is now, with its charge and its balance transaction. */
export async function fetchRefund(api: StripeApi, id: string): Promise<Answer<Json>> {
  const answer = await api.ask((client) =>
    client.refunds.retrieve(id, { expand: REFUND_EXPANDED }),
  );
  if (answer.kind !== 'answer') return answer;
  const value: unknown = answer.value;
  if (isObject(value)) return { kind: 'answer', value };
  return { kind: 'unusable', reason: "Stripe's answer is no refund" };
}

/** Lists a charge's refunds as they are now, the newest first, each as `fetchRefund` has it. */
export async function listRefunds(
  api: StripeApi,
  charge: string,
): Promise<Answer<readonly Json[]>> {
  const listed = await askForAll(api, (client, page) =>
    client.refunds.list({ charge, expand: REFUNDS_EXPANDED, ...page }),
  );
  if (listed.kind !== 'answer') return listed;
  return { kind: 'answer', value: (listed.value as readonly unknown[]).filter(isObject) };
}
