import { isObject, type Json } from '../shapes/json.ts';
import { hasAllLines } from '../shapes/line-amounts.ts';
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

/** A credit note (`cn_…`) with all of its lines; with the first ten where Stripe does not list them. */
export async function fetchCreditNote(api: StripeApi, id: string): Promise<Answer<Json>> {
  const asked = await api.ask((client) => client.creditNotes.retrieve(id));
  if (asked.kind !== 'answer') return asked;
  const note: unknown = asked.value;
  if (!isObject(note) || hasAllLines(note)) {
    return { kind: 'answer', value: isObject(note) ? note : {} };
  }
  const lines = await askForAll(api, (client, page) => client.creditNotes.listLineItems(id, page));
  if (lines.kind === 'unreachable') return lines;
  const value = lines.kind === 'answer' ? { ...note, lines: { data: lines.value } } : note;
  return { kind: 'answer', value };
}
