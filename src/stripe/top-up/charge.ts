import type { Stripe } from 'stripe';
import type { Answer, StripeApi } from '../api/api.ts';
import type { PurchaseIntents } from '../payments/purchase-intents.ts';
import type { Attempt, TopUpAttempts } from './attempts.ts';

export interface ChargeOptions {
  readonly api: StripeApi;
  readonly intents: Pick<PurchaseIntents, 'record'>;
  readonly attempts: Pick<TopUpAttempts, 'nameInvoice'>;
}

/** What became of an attempt's payment; unknown while Stripe does not answer. */
export type Charged =
  | { readonly kind: 'charged'; readonly at: Date | null }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

/**
 * Charges a saved card by an invoice, while its owner is away. An invoice, since it has lines: its
 * `invoice.paid` grants like that of any other, by the terms of its price. Whoever repeats an
 * attempt goes on from where its invoice is; the keys make one of two that work at once, and the
 * state of the invoice decides after Stripe has forgotten the keys (they last at least 24 hours).
 * @see https://docs.stripe.com/api/invoices/pay
 */
export function createCharge({ api, intents, attempts }: ChargeOptions) {
  return async (attempt: Attempt): Promise<Charged> => {
    const { id, amount, paymentMethod, wanted } = attempt;
    // Nothing can have been paid without an invoice on record.
    if (!wanted && attempt.invoice === null) return SWITCHED_OFF;
    const drafted = await draft(attempt);
    if (drafted.kind !== 'answer') return whyNot(drafted);
    const invoice = drafted.value;
    if (!wanted && invoice.status === 'draft') return SWITCHED_OFF;
    if (!wanted && invoice.status === 'open') return giveUp(attempt, invoice.id, 'switched_off');
    // The intent is what makes its payment grant, so it is on record before anything can be paid.
    await intents.record(intentOf(attempt, invoice.id));
    await attempts.nameInvoice(id, invoice.id);
    const opened = await api.ask((client) => open(client, attempt, invoice));
    if (opened.kind !== 'answer') return whyNot(opened);
    const { status, total } = opened.value;
    if (status === 'paid') return chargedBy(opened.value);
    if (status !== 'open') return { kind: 'failed', reason: `invoice_${status}` };
    // The user agreed to this amount, without a tax that the account adds by itself; and what a
    // coupon makes free gives no credits.
    if (total > amount || total <= 0) return giveUp(attempt, invoice.id, 'amount_changed');
    const paid = await api.ask((client) =>
      client.invoices.pay(
        invoice.id,
        { payment_method: paymentMethod, off_session: true },
        keyOf(attempt, 'pay'),
      ),
    );
    if (paid.kind === 'unusable') return giveUp(attempt, invoice.id, reasonOf(paid));
    if (paid.kind === 'unreachable') return whyNot(paid);
    return paid.value.status === 'paid'
      ? chargedBy(paid.value)
      : { kind: 'unknown', reason: 'the payment is still under way' };
  };

  function draft(attempt: Attempt): Promise<Answer<Stripe.Invoice>> {
    const { id, userId, customer, currency, invoice } = attempt;
    return api.ask((client) =>
      invoice !== null
        ? client.invoices.retrieve(invoice)
        : // What else waits to be invoiced to the customer stays out of it, as it does unless asked.
          client.invoices.create(
            {
              customer,
              currency,
              collection_method: 'charge_automatically',
              // Stripe neither finalizes nor retries it by itself: each step is ours.
              auto_advance: false,
              metadata: { user_id: userId, auto_top_up: id },
            },
            keyOf(attempt, 'invoice'),
          ),
    );
  }

  /** Nobody can pay it any more, or else it was paid after all, which the next look finds. */
  async function giveUp(attempt: Attempt, invoice: string, reason: string): Promise<Charged> {
    const voided = await api.ask((client) =>
      client.invoices.voidInvoice(invoice, {}, keyOf(attempt, 'void')),
    );
    return voided.kind === 'answer'
      ? { kind: 'failed', reason }
      : { kind: 'unknown', reason: voided.reason };
  }
}

/** What is left is a draft, which nobody can pay. */
const SWITCHED_OFF = { kind: 'failed', reason: 'switched_off' } as const;

/** By Stripe's clock, also when it is learned in the month after. */
function chargedBy({ status_transitions: { paid_at: at } }: Stripe.Invoice): Charged {
  return { kind: 'charged', at: at === null ? null : new Date(at * 1_000) };
}

/** With its line, and finalized. */
async function open(
  client: Stripe,
  attempt: Attempt,
  invoice: Stripe.Invoice,
): Promise<Stripe.Invoice> {
  if (invoice.status !== 'draft') return invoice;
  const { customer, price, quantity } = attempt;
  if (invoice.lines.data.length === 0) {
    await client.invoiceItems.create(
      { customer, invoice: invoice.id, pricing: { price }, quantity },
      keyOf(attempt, 'item'),
    );
  }
  return client.invoices.finalizeInvoice(
    invoice.id,
    { auto_advance: false },
    keyOf(attempt, 'finalize'),
  );
}

function intentOf(attempt: Attempt, invoice: string) {
  const { id, userId, price, version, quantity, amount, currency } = attempt;
  return {
    id: `auto_top_up_${id}`,
    session: invoice,
    userId,
    mode: 'payment',
    items: [{ price, version, quantity, amount: amount / quantity }],
    adjustable: false,
    money: { amount, currency },
  } as const;
}

const keyOf = ({ id }: Attempt, step: string) => ({ idempotencyKey: `auto_top_up_${id}_${step}` });

function whyNot(answer: Exclude<Answer<unknown>, { kind: 'answer' }>): Charged {
  return answer.kind === 'unreachable'
    ? { kind: 'unknown', reason: answer.reason }
    : { kind: 'failed', reason: reasonOf(answer) };
}

/** Stripe's code, such as `card_declined` or `authentication_required`. */
function reasonOf({ refusal }: Extract<Answer<unknown>, { kind: 'unusable' }>): string {
  const code = refusal?.code ?? refusal?.type ?? 'stripe_refused';
  return code === 'invoice_payment_intent_requires_action' ? 'authentication_required' : code;
}
