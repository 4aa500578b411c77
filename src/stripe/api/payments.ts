import type { Stripe } from 'stripe';
import { at, idOf, isObject, type Json } from '../shapes/json.ts';
import { paymentTime } from '../shapes/payment-time.ts';
import type { Answer, StripeApi } from './api.ts';
import { fetchSession, whyNeverPaid } from './sessions.ts';

/**
 * The checkout session that made this invoice (`invoice_creation`), null when none did. Only the
 * payment intent tells; from API version 2025-03-31.basil on an event's invoice does not name it.
 */
export async function fetchCheckout(
  api: StripeApi,
  { key, aliases }: { readonly key: string; readonly aliases: readonly string[] },
): Promise<Answer<string | null>> {
  return api.ask(async (client) => {
    const named = aliases.find((name) => name.startsWith('pi_'));
    const paymentIntent = named ?? (await paidWith(client, key));
    return paymentIntent === null ? null : sessionPaidWith(client, paymentIntent);
  });
}

/**
 * What was paid, a checkout session or else invoices, by other names of the payment: from API
 * version 2025-03-31.basil on a refund of a renewal names no invoice, and invoice.paid no payment
 * intent. Nothing when it was neither, as of a charge that was made without a payment intent.
 */
export async function fetchPaid(
  api: StripeApi,
  names: readonly [string, ...string[]],
): Promise<Answer<readonly string[]>> {
  return api.ask(async (client) => {
    const named = names.find((name) => name.startsWith('pi_'));
    const paymentIntent =
      named ?? idOf(at(await client.charges.retrieve(names[0]), 'payment_intent'));
    if (paymentIntent === null) return [];
    // Of a session that has an invoice too, as its receipt, the session grants.
    const session = await sessionPaidWith(client, paymentIntent);
    if (session !== null) return [session];
    const { data } = await client.invoicePayments.list({
      payment: { type: 'payment_intent', payment_intent: paymentIntent },
      status: 'paid',
      limit: 100,
    });
    return data.map(({ invoice }) => idOf(invoice)).filter((id) => id !== null);
  });
}

/** What Stripe says of a payment that no event has brought. */
export interface PaymentState {
  /** Why nothing will be paid any more; null when it is paid, or may be. */
  readonly neverPaid: string | null;
  /** When it was paid, in seconds since 1970; null when it is not, or nothing tells. */
  readonly paidAt: number | null;
}

/** Asks for it of a checkout session (`cs_…`) or an invoice (`in_…`). */
export async function fetchPaymentState(
  api: StripeApi,
  payment: string,
): Promise<Answer<PaymentState>> {
  const isSession = payment.startsWith('cs_');
  const answer = isSession ? await fetchSession(api, payment) : await fetchInvoice(api, payment);
  if (answer.kind !== 'answer') return answer;
  const object = answer.value;
  const isPaid = isSession
    ? at(object, 'payment_status') !== 'unpaid'
    : at(object, 'status') === 'paid';
  const paidAt = isPaid ? paymentTime({ id: null, created: 0, object }) : null;
  const neverPaid = isSession ? whyNeverPaid(object) : whyNeverCollected(object);
  return { kind: 'answer', value: { neverPaid, paidAt } };
}

async function fetchInvoice(api: StripeApi, id: string): Promise<Answer<Json>> {
  const answer = await api.ask((client) => client.invoices.retrieve(id));
  if (answer.kind !== 'answer') return answer;
  const value: unknown = answer.value;
  return { kind: 'answer', value: isObject(value) ? value : {} };
}

function whyNeverCollected(invoice: Json): string | null {
  const status = at(invoice, 'status');
  return status === 'void' || status === 'uncollectible' ? `its invoice is ${status}` : null;
}

/** What paid an invoice: others may have failed or been canceled before. */
async function paidWith(client: Stripe, invoice: string): Promise<string | null> {
  const { data } = await client.invoicePayments.list({ invoice, status: 'paid', limit: 1 });
  return idOf(at(data[0]?.payment, 'payment_intent'));
}

async function sessionPaidWith(client: Stripe, paymentIntent: string): Promise<string | null> {
  const { data } = await client.checkout.sessions.list({ payment_intent: paymentIntent, limit: 1 });
  return idOf(data[0]);
}
