import type { CreditNoteLine, CreditNoteRecord } from '../objects/credit-note.ts';
import { amountDue, type InvoiceRecord, invoiceTotal } from '../objects/invoice.ts';
import { sum } from '../objects/object.ts';
import type { RefundRecord } from '../objects/refund.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { markPaid } from './invoices.ts';
import { refundPayment } from './refunds.ts';

export interface CreditNotePlan {
  /** Cents; the sum of the lines, or the whole invoice, when it is left out. */
  readonly amount?: number;
  /** Of a paid invoice, how it goes back; what is left over of the amount is refunded. */
  readonly outOfBand?: number;
  readonly toBalance?: number;
  /** Which of the invoice's lines are credited, in cents. */
  readonly lines?: readonly { readonly line: string; readonly amount: number }[];
  readonly reason?: string | null;
  readonly memo?: string | null;
}

/** Takes back an invoice or a part of it; a refund that belongs to it is made along with it. */
export function issueCreditNote(world: World, invoiceId: string, plan: CreditNotePlan = {}) {
  const invoice = world.store.need('invoice', invoiceId);
  const { status, customer } = invoice;
  if (status !== 'paid' && status !== 'open') {
    throw new Refusal(`A ${status} invoice has no credit notes.`);
  }
  const prePayment = status === 'open';
  const left = prePayment ? amountDue(invoice) : invoiceTotal(invoice) - invoice.postPaymentCredit;
  const { outOfBand = 0, toBalance = 0 } = plan;
  const amount = plan.amount ?? (plan.lines ? sum(plan.lines.map((one) => one.amount)) : left);
  const refunded = prePayment ? 0 : amount - outOfBand - toBalance;
  if (!(amount > 0 && amount <= left) || refunded < 0 || customer === null) {
    throw new Refusal('The credit note is about more than what is left of the invoice.', {
      param: 'amount',
    });
  }
  const refund = refunded > 0 ? refundInvoice(world, invoice, refunded) : null;
  const note = world.create<CreditNoteRecord>(
    {
      object: 'credit_note',
      id: world.newId('cn'),
      created: world.now(),
      number: `${invoice.number}-CN-${notesOf(world, invoiceId) + 1}`,
      amount,
      currency: invoice.currency,
      customer,
      invoice: invoiceId,
      refund: refund && { id: refund.id, amount: refunded },
      outOfBand: prePayment ? 0 : outOfBand,
      toBalance: prePayment ? 0 : toBalance,
      lines: linesOf(world, invoice, plan, amount),
      memo: plan.memo ?? null,
      reason: plan.reason ?? null,
      status: 'issued',
      type: prePayment ? 'pre_payment' : 'post_payment',
      voidedAt: null,
      metadata: {},
    },
    'credit_note.created',
  );
  applyToInvoice(world, note, 1);
  return note;
}

/** Its parts must add up to what the note gives back, so none may be left out. */
function refundInvoice(world: World, { id, charge }: InvoiceRecord, amount: number): RefundRecord {
  if (charge !== null) return refundPayment(world, charge, { amount });
  throw new Refusal(`Nothing can be refunded of invoice ${id}: nothing was charged for it.`);
}

/** Stripe lets only notes of open invoices be voided; here every note can be, once. */
export function voidCreditNote(world: World, id: string): CreditNoteRecord {
  const note = world.store.need('credit_note', id);
  if (note.status === 'void') throw new Refusal('This credit note is already void.');
  const changes = { status: 'void', voidedAt: world.now() } as const;
  const voided = world.change(note, changes, 'credit_note.voided');
  applyToInvoice(world, note, -1);
  return voided;
}

function applyToInvoice(world: World, note: CreditNoteRecord, sign: 1 | -1): void {
  const invoice = world.store.need('invoice', note.invoice);
  const field = note.type === 'pre_payment' ? 'prePaymentCredit' : 'postPaymentCredit';
  const amount = invoice[field] + sign * note.amount;
  const changed = world.change(invoice, { [field]: amount }, 'invoice.updated');
  const customer = world.store.get('customer', note.customer);
  if (customer && note.toBalance > 0) {
    const balance = customer.balance - sign * note.toBalance;
    world.change(customer, { balance }, 'customer.updated');
  }
  if (changed.status === 'open' && amountDue(changed) === 0) markPaid(world, changed, null);
}

const notesOf = (world: World, invoice: string) =>
  world.store.naming('credit_note', 'invoice', invoice).length;

function linesOf(
  world: World,
  invoice: InvoiceRecord,
  { lines }: CreditNotePlan,
  amount: number,
): CreditNoteLine[] {
  const id = () => world.newId('cnli');
  if (!lines) {
    return [{ id: id(), amount, description: 'Credit', invoiceLine: null, quantity: 1 }];
  }
  return lines.map((one) => {
    const line = invoice.lines.find((candidate) => candidate.id === one.line);
    if (!line) throw new Refusal(`The invoice has no line ${one.line}.`, { param: 'lines' });
    const { description, quantity } = line;
    return { id: id(), amount: one.amount, description, invoiceLine: line.id, quantity };
  });
}
