import type { CreditedLine } from '../life/credit-note-lines.ts';
import { issueCreditNote, voidCreditNote } from '../life/credit-notes.ts';
import { renderCreditNoteLine } from '../objects/credit-note.ts';
import { missing, Refusal } from '../refusal.ts';
import type { Form } from './form.ts';
import { listRecords, PAGING, page } from './list.ts';
import { atLeast, checkKnown, given, list, needText, oneOf, text } from './params.ts';
import { type Call, type Routes, show } from './route.ts';

/** Credit notes, which take invoices back. */
export const creditNoteRoutes: Routes = {
  'POST credit_notes': (call) => show(call, createCreditNote(call)),
  'GET credit_notes': (call) =>
    listRecords(call, 'credit_note', { filters: { invoice: 'invoice', customer: 'customer' } }),
  'GET credit_notes/:id': (call) => show(call, call.world.store.need('credit_note', call.id)),
  'GET credit_notes/:id/lines': (call) => {
    checkKnown(call.form, PAGING);
    const { lines } = call.world.store.need('credit_note', call.id);
    return page(call, lines, (line) => renderCreditNoteLine(line, call.view));
  },
  'POST credit_notes/:id/void': (call) => show(call, voidCreditNote(call.world, call.id)),
};

function createCreditNote({ form, world, view }: Call) {
  const refundParam = view.shape === 'acacia' ? 'refund' : 'refunds';
  checkKnown(form, [
    ...['invoice', 'amount', 'lines', 'reason', 'memo'],
    ...['out_of_band_amount', 'credit_amount', 'refund_amount', refundParam],
  ]);
  const id = needText(form, 'invoice');
  if (!world.store.get('invoice', id)) throw missing('invoice', id, 'invoice');
  const lines = list(form, 'lines').map(readLine);
  const refund = refundParam === 'refund' ? text(form, 'refund') : readRefund(form);
  return issueCreditNote(world, id, {
    ...given({ amount: atLeast(1, form, 'amount'), refund }),
    ...given({ refunded: atLeast(0, form, 'refund_amount') }),
    ...(lines.length > 0 && { lines }),
    outOfBand: atLeast(0, form, 'out_of_band_amount') ?? 0,
    toBalance: atLeast(0, form, 'credit_amount') ?? 0,
    reason: text(form, 'reason') ?? null,
    memo: text(form, 'memo') ?? null,
  });
}

function readLine(line: Form | string): CreditedLine {
  if (typeof line === 'string') throw new Refusal('Invalid object', { param: 'lines' });
  const type = oneOf(['invoice_line_item', 'custom_line_item'], line, 'type');
  const quantity = atLeast(1, line, 'quantity');
  if (type === 'custom_line_item') {
    const unitAmount = atLeast(0, line, 'unit_amount') ?? 0;
    return { description: needText(line, 'description'), unitAmount, quantity: quantity ?? 1 };
  }
  const id = needText(line, 'invoice_line_item');
  if (quantity !== undefined) return { line: id, quantity };
  const amount = atLeast(0, line, 'amount');
  if (amount !== undefined) return { line: id, amount };
  throw new Refusal('A line has an amount or a quantity.', { param: 'lines' });
}

/** One refund at most: Stripe takes several. */
function readRefund(form: Form): string | undefined {
  const [refund, ...others] = list(form, 'refunds');
  if (refund === undefined) return undefined;
  if (typeof refund === 'string' || others.length > 0) {
    throw new Refusal('Only one refund can be linked here.', { param: 'refunds' });
  }
  return needText(refund, 'refund');
}
