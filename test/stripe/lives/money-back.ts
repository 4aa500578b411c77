import { totalOfLine } from '../../../packages/fake-stripe/src/objects/credit-note.ts';
import { Refusal } from '../../../packages/fake-stripe/src/refusal.ts';
import { type Customer, type News, newsOf, pick } from './customer.ts';
import { type PaymentModel, shareOf } from './payment.ts';
import type { StepOf } from './step.ts';

/** What takes money back, or gives it again: refunds, disputes and credit notes. */
export function createMoneyBack({ fake, payments }: Customer) {
  const refunds: { readonly id: string; readonly amount: number; readonly of: PaymentModel }[] = [];
  const disputes: { readonly id: string; readonly of: PaymentModel }[] = [];

  function pickPaid(which: number): PaymentModel & { readonly intent: string } {
    const { intent, ...payment } = pick(payments, which);
    if (intent === null) throw new Refusal('nothing was paid');
    return { ...payment, intent };
  }

  function refund({ which, percent, pending }: StepOf<'refund'>): News {
    const of = pickPaid(which);
    const amount = shareOf(of.charged, percent);
    // A pending one of just what was released waits until its money tells it from the release.
    const status = pending && amount !== of.released ? 'pending' : 'succeeded';
    const { object, events } = fake.refundPayment(of.intent, { amount, status });
    refunds.push({ id: object.id, amount, of });
    of.back.set(object.id, amount);
    return newsOf({ events });
  }

  function endRefund({ which, how }: StepOf<'end refund'>): News {
    const { id, amount, of } = pick(refunds, which);
    const { events } = fake.settleRefund(id, how);
    of.back.set(id, how === 'succeeded' ? amount : 0);
    return newsOf({ events });
  }

  function dispute({ which, percent, inquiry, atOnce: end }: StepOf<'dispute'>): News {
    const of = pickPaid(which);
    const amount = shareOf(of.charged, percent);
    const { object, events } = fake.openDispute(of.intent, { amount, inquiry });
    disputes.push({ id: object.id, of });
    of.back.set(object.id, inquiry ? 0 : amount);
    if (end === null) return newsOf({ events });
    const ended = moveDispute({ which: disputes.length - 1, how: end });
    return newsOf({ events: [...events, ...ended.events] });
  }

  function moveDispute({ which, how }: Pick<StepOf<'move dispute'>, 'which' | 'how'>): News {
    const { id, of } = pick(disputes, which);
    const { object, events } =
      how === 'escalate' ? fake.escalateDispute(id) : fake.closeDispute(id, how);
    const isInquiry = String(object['status']).startsWith('warning_');
    of.back.set(id, how === 'won' || isInquiry ? 0 : Number(object['amount']));
    return newsOf({ events });
  }

  function credit({ which, percent, percents, ...step }: StepOf<'credit'>): News {
    const of = pick(payments, which);
    if (of.invoice === null) throw new Refusal('it has no invoice');
    const named = fake.store.need('invoice', of.invoice).lines.flatMap((line, i) => {
      const amount = Math.floor((line.amount * (percents[i] ?? 0)) / 100);
      return amount > 0 && line.discount === 0 ? [{ line: line.id, amount }] : [];
    });
    const amount =
      named.length > 0
        ? named.reduce((sum, one) => sum + one.amount, 0)
        : shareOf(of.paid, percent);
    const outOfBand = Math.floor((amount * step.outOfBand) / 100);
    const { object, events } = fake.issueCreditNote(of.invoice, {
      ...(named.length > 0 ? { lines: named } : { amount }),
      outOfBand,
    });
    const { lines, refund } = fake.store.need('credit_note', object.id);
    of.notes.push({
      lines: new Map(lines.map((line) => [line.invoiceLine ?? '', totalOfLine(line)])),
      ...{ refund, own: outOfBand },
    });
    if (refund) {
      refunds.push({ ...refund, of });
      of.back.set(refund.id, refund.amount);
    }
    return newsOf({ events });
  }

  return { refund, endRefund, dispute, moveDispute, credit };
}
