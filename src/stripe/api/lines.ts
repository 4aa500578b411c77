import { type Line, readInvoiceLine, readLines, readSessionLine } from '../shapes/shapes.ts';
import { type Answer, askForAll, type StripeApi } from './api.ts';

/** Fetches every line item of a checkout session (`cs_…`), or every line of an invoice (`in_…`). */
export async function fetchLines(api: StripeApi, key: string): Promise<Answer<readonly Line[]>> {
  const isSession = key.startsWith('cs_');
  const fetched = await (isSession
    ? askForAll(api, (client, page) => client.checkout.sessions.listLineItems(key, page))
    : askForAll(api, (client, page) => client.invoices.listLineItems(key, page)));
  if (fetched.kind !== 'answer') return fetched;
  const read = readLines(fetched.value, isSession ? readSessionLine : readInvoiceLine);
  if (read.ok) return { kind: 'answer', value: read.value };
  return { kind: 'unusable', reason: `in Stripe's answer ${read.problem}` };
}
