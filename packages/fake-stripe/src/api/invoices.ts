import {
  addLine,
  collectInvoice,
  draftInvoice,
  finalizeInvoice,
  voidInvoice,
} from '../life/invoices.ts';
import { renderInvoiceLine } from '../objects/invoice-line.ts';
import type { StripeObject } from '../objects/object.ts';
import { cardError, missing, Refusal } from '../refusal.ts';
import { listRecords, page } from './list.ts';
import { atLeast, boolean, checkKnown, metadata, needText, text } from './params.ts';
import { type Call, type Routes, show } from './route.ts';

/** Invoices, and what joins them to their payments. */
export const invoiceRoutes: Routes = {
  'GET invoices': (call) =>
    listRecords(call, 'invoice', {
      filters: { status: 'status', subscription: 'subscription', customer: 'customer' },
    }),
  'GET invoices/:id': (call) => show(call, call.world.store.need('invoice', call.id)),
  'GET invoices/:id/lines': (call) => {
    checkKnown(call.form, ['limit', 'starting_after', 'ending_before']);
    const { id, lines } = call.world.store.need('invoice', call.id);
    return page(call, lines, (line) => renderInvoiceLine(line, id, call.view));
  },
  'POST invoices/:id/finalize': (call) => show(call, finalizeInvoice(call.world, call.id)),
  'POST invoices/:id/void': (call) => show(call, voidInvoice(call.world, call.id)),
  'POST invoices/:id/pay': (call) => show(call, payInvoice(call)),
  'POST invoices': (call) => show(call, draftInvoice(call.world, planOf(call))),
  'POST invoiceitems': addItem,
  'GET invoice_payments': (call) => {
    const { payment, ...form } = call.form;
    const intent = paymentFilter(payment);
    // What the filters know is flat.
    const flat = { ...call, form: { ...form, ...(intent && { intent }) } };
    return listRecords(flat, 'invoice_payment', {
      filters: { invoice: 'invoice', intent: 'paymentIntent', status: 'status' },
    });
  },
  'GET invoice_payments/:id': (call) =>
    show(call, call.world.store.need('invoice_payment', call.id)),
};

function planOf({ world, form }: Call) {
  checkKnown(form, [
    ...['customer', 'currency', 'metadata', 'auto_advance', 'collection_method', 'description'],
    ...['default_payment_method', 'pending_invoice_items_behavior'],
  ]);
  const customer = needText(form, 'customer');
  const known = world.store.get('customer', customer);
  if (!known || known.deleted) throw missing('customer', customer, 'customer');
  const currency = text(form, 'currency') ?? 'usd';
  return { customer, currency, metadata: metadata(form), billingReason: 'manual', lines: [] };
}

function addItem(call: Call): StripeObject {
  const { world, form } = call;
  checkKnown(form, ['customer', 'invoice', 'pricing', 'quantity', 'description', 'metadata']);
  const [customer, invoice] = [needText(form, 'customer'), needText(form, 'invoice')];
  if (!world.store.get('invoice', invoice)) throw missing('invoice', invoice, 'invoice');
  const id = needText(form, 'pricing', 'price');
  const price = world.store.get('price', id);
  if (!price) throw missing('price', id, 'pricing[price]');
  if (!price.active) {
    throw new Refusal(`The price specified is inactive: ${id}.`, { param: 'pricing[price]' });
  }
  const line = addLine(world, invoice, price, atLeast(1, form, 'quantity') ?? 1);
  const item = { amount: line.amount, currency: price.currency, quantity: line.quantity };
  return { id: line.id.replace(/^il_/, 'ii_'), object: 'invoiceitem', customer, invoice, ...item };
}

/** @throws Refusal 402 when the card is declined, as Stripe answers a payment that was tried */
function payInvoice({ world, form, id }: Call) {
  checkKnown(form, ['paid_out_of_band', 'off_session', 'payment_method']);
  if (boolean(form, 'paid_out_of_band')) return collectInvoice(world, id, 'out_of_band');
  const named = text(form, 'payment_method');
  const method = named === undefined ? null : world.store.get('payment_method', named);
  const { customer } = world.store.need('invoice', id);
  if (named !== undefined && (!method || method.customer !== customer)) {
    throw missing('PaymentMethod', named, 'payment_method');
  }
  const outcome = method?.offSession ?? 'succeeds';
  if (outcome === 'succeeds') return collectInvoice(world, id, 'card');
  collectInvoice(world, id, outcome === 'card_declined' ? 'declined' : outcome);
  throw cardError(outcome);
}

/** `payment[type]=payment_intent&payment[payment_intent]=pi_…`: both or none. */
function paymentFilter(payment: unknown): string | undefined {
  if (payment === undefined) return undefined;
  const { type, payment_intent: intent } = Object(payment);
  if (type === 'payment_intent' && typeof intent === 'string') return intent;
  throw new Refusal('payment[type] and payment[payment_intent] are given together.', {
    param: 'payment',
  });
}
