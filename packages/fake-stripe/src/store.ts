import { randomUUID } from 'node:crypto';
import {
  eventObject,
  type InvoiceOptions,
  invoiceLineObject,
  invoiceObject,
  type LineOptions,
  lineItemObject,
  priceObject,
  type SessionOptions,
  type StripeEvent,
  type StripeObject,
  sessionObject,
} from './objects.ts';

/** An object with the list that the API serves beside it. */
interface Listed {
  readonly object: StripeObject;
  readonly lines: readonly StripeObject[];
}

/** How many lines Stripe puts into an invoice's payload; the rest must be listed. */
const LINES_IN_PAYLOAD = 10;

/** Everything that this Stripe knows, in memory. */
export type Store = ReturnType<typeof createStore>;

export function createStore(baseUrl: () => string) {
  const sessions = new Map<string, Listed>();
  const invoices = new Map<string, Listed>();
  const prices = new Map<string, StripeObject>();
  const newId = (prefix: string) => `${prefix}_sim_${randomUUID().replaceAll('-', '')}`;

  function learnPrices(lines: readonly LineOptions[]): void {
    for (const line of lines) prices.set(line.price, priceObject(line));
  }

  /** Opens a checkout session, as POST /v1/checkout/sessions does. */
  function createSession(options: SessionOptions): StripeObject {
    const id = newId('cs_test');
    learnPrices(options.lines);
    const object = sessionObject(id, options, `${baseUrl()}/c/pay/${id}`);
    const lines = options.lines.map((line) => lineItemObject({ ...line, id: newId('li') }));
    sessions.set(id, { object, lines });
    return object;
  }

  /**
   * What the buyer does: pays, or promises to with a slow method (`unpaid`), which
   * `settleSession` then pays or fails.
   * @returns the checkout.session.completed event
   */
  function completeSession(
    id: string,
    paymentStatus: 'paid' | 'unpaid' | 'no_payment_required' = 'paid',
  ): StripeEvent {
    const takesPayment = paymentStatus !== 'no_payment_required';
    const changed = changeSession(id, {
      status: 'complete',
      payment_status: paymentStatus,
      payment_intent:
        takesPayment && sessions.get(id)?.object['mode'] === 'payment' ? newId('pi') : null,
      url: null,
    });
    return eventObject(newId('evt'), 'checkout.session.completed', changed);
  }

  /** The end of a slow payment: the async_payment_succeeded or async_payment_failed event. */
  function settleSession(id: string, result: 'succeeded' | 'failed'): StripeEvent {
    const changed = changeSession(id, {
      payment_status: result === 'succeeded' ? 'paid' : 'unpaid',
    });
    return eventObject(newId('evt'), `checkout.session.async_payment_${result}`, changed);
  }

  function changeSession(id: string, changes: Readonly<Record<string, unknown>>): StripeObject {
    const known = sessions.get(id);
    if (!known) throw new Error(`there is no session ${id}`);
    const object = { ...known.object, ...changes };
    sessions.set(id, { ...known, object });
    return object;
  }

  /** Makes an invoice, of a subscription when one is named. @returns its invoice.paid event */
  function payInvoice(options: InvoiceOptions): StripeEvent {
    const id = options.id ?? newId('in');
    learnPrices(options.lines);
    const lines = options.lines.map((line) =>
      invoiceLineObject({ ...line, id: newId('il') }, options),
    );
    const object = withLines(invoiceObject(id, options), lines);
    invoices.set(id, { object, lines });
    return eventObject(newId('evt'), 'invoice.paid', object, options.shape);
  }

  return {
    sessions,
    invoices,
    prices,
    newId,
    createSession,
    completeSession,
    settleSession,
    payInvoice,
  };
}

function withLines(invoice: StripeObject, lines: readonly StripeObject[]): StripeObject {
  return {
    ...invoice,
    lines: {
      object: 'list',
      data: lines.slice(0, LINES_IN_PAYLOAD),
      has_more: lines.length > LINES_IN_PAYLOAD,
      total_count: lines.length,
      url: `/v1/invoices/${invoice.id}/lines`,
    },
  };
}
