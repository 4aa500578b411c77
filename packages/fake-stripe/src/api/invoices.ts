import { collectInvoice, finalizeInvoice, voidInvoice } from '../life/invoices.ts';
import { renderInvoiceLine } from '../objects/invoice-line.ts';
import { Refusal } from '../refusal.ts';
import { listRecords, page } from './list.ts';
import { boolean, checkKnown } from './params.ts';
import { type Routes, show } from './route.ts';

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
  'POST invoices/:id/pay': (call) => {
    checkKnown(call.form, ['paid_out_of_band']);
    const outOfBand = boolean(call.form, 'paid_out_of_band') ?? false;
    return show(call, collectInvoice(call.world, call.id, outOfBand ? 'out_of_band' : 'card'));
  },
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

/** `payment[type]=payment_intent&payment[payment_intent]=pi_…`: both or none. */
function paymentFilter(payment: unknown): string | undefined {
  if (payment === undefined) return undefined;
  const { type, payment_intent: intent } = Object(payment);
  if (type === 'payment_intent' && typeof intent === 'string') return intent;
  throw new Refusal('payment[type] and payment[payment_intent] are given together.', {
    param: 'payment',
  });
}
