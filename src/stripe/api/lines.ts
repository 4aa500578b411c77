import { at } from '../shapes/json.ts';
import { ids, type Line, readInvoiceLine, readLines, readSessionLine } from '../shapes/shapes.ts';
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

/**
 * The checkout session that made this invoice (`invoice_creation`), null when none did. Only the
 * payment intent tells; from API version 2025-03-31.basil on an event's invoice does not name it.
 */
export async function fetchCheckout(
  api: StripeApi,
  { key, aliases }: { readonly key: string; readonly aliases: readonly string[] },
): Promise<Answer<string | null>> {
  return api.ask(async (client) => {
    const paid = (await client.invoicePayments.list({ invoice: key, limit: 1 })).data[0];
    const names = [...aliases, ...ids(at(paid?.payment, 'payment_intent'))];
    const paymentIntent = names.find((name) => name.startsWith('pi_'));
    if (paymentIntent === undefined) return null;
    const sessions = await client.checkout.sessions.list({
      payment_intent: paymentIntent,
      limit: 1,
    });
    return sessions.data[0]?.id ?? null;
  });
}
