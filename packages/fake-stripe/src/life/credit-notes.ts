import { type CreditNoteRecord, totalOfLine } from '../objects/credit-note.ts';
import { amountDue, type InvoiceRecord, invoiceTotal } from '../objects/invoice.ts';
import { sum } from '../objects/object.ts';
import type { RefundRecord } from '../objects/refund.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { type CreditedLine, creditLines } from './credit-note-lines.ts';
import { markPaid } from './invoices.ts';
import { refundPayment } from './refunds.ts';

export interface CreditNotePlan {
  /** Cents; the sum of the lines, or the whole invoice, when it is left out. */
  readonly amount?: number;
  /** Of a paid invoice, how it goes back; what is left over of the amount is refunded. */
  readonly outOfBand?: number;
  readonly toBalance?: number;
  /** What is refunded, in cents, where it must be what is left over. */
  readonly refunded?: number;
  /** A refund of the invoice (`re_…`) that is there already, instead of a new one. */
  readonly refund?: string;
  readonly lines?: readonly CreditedLine[];
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
  const credited = invoice.prePaymentCredit + invoice.postPaymentCredit;
  const left = prePayment ? amountDue(invoice) : invoiceTotal(invoice) - credited;
  const { outOfBand = 0, toBalance = 0 } = plan;
  const lines = creditLines(world, invoice, plan.lines ?? [custom(plan.amount ?? left)]);
  const amount = sum(lines.map(totalOfLine));
  const refunded = prePayment ? 0 : amount - outOfBand - toBalance;
  if (!(amount > 0 && amount <= left) || refunded < 0 || customer === null) {
    throw new Refusal('The credit note is about more than what is left of the invoice.', {
      param: 'amount',
    });
  }
  if ((plan.refunded ?? refunded) !== refunded) {
    throw new Refusal('What goes back must add up to the amount of the credit note.', {
      param: 'refund_amount',
    });
  }
  const refund = refunded > 0 ? refundInvoice(world, invoice, refunded, plan.refund) : null;
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
      lines,
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

const custom = (unitAmount: number) => ({ description: 'Credit', unitAmount, quantity: 1 });

/** Its parts must add up to what the note gives back, so none may be left out. */
function refundInvoice(
  world: World,
  { id, charge }: InvoiceRecord,
  amount: number,
  existing: string | undefined,
): RefundRecord {
  const refund = existing === undefined ? null : world.store.need('refund', existing);
  if (refund?.charge === charge && refund.amount >= amount) return refund;
  if (refund)
    throw new Refusal(`${refund.id} does not pay this credit note.`, { param: 'refunds' });
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
