import { describe, expect, test } from 'vitest';
import { until } from '../../support/stripe.ts';
import { createPayment, fresh, missing, stage, useReversalStage } from './harness.ts';

useReversalStage();

describe('a credit note', () => {
  const note = (payment: ReturnType<typeof createPayment>, more: object) =>
    payment.event('credit_note.created', {
      ...{ object: 'credit_note', id: fresh('cn'), currency: 'usd', status: 'issued' },
      ...{ invoice: fresh('in'), total: 50, amount: 50 },
      ...more,
    });

  test('takes what it gives beside its refunds, and nothing more, until it is void', async () => {
    const userId = fresh('user');
    const lines = [{ price: 'price_pack' }];
    const invoice = stage.fake.payInvoice({ userId, subscription: fresh('sub'), lines });
    await stage.deliver(invoice);
    const payment = { ...createPayment(), userId };
    const id = fresh('cn');
    const facts = { id, invoice: invoice.data.object.id, post_payment_amount: 50 };
    const refunds = [{ amount_refunded: 20, refund: 're_x' }];
    expect(await stage.deliver(note(payment, { ...facts, refunds }))).toBe('done');
    expect(await missing(payment)).toBe(300);
    const voided = note(payment, { ...facts, refunds, status: 'void' });
    expect(await stage.deliver({ ...voided, type: 'credit_note.voided' })).toBe('done');
    expect(await missing(payment)).toBe(0);
  });

  test('of acacia with a refund and a part for the balance takes both, each once', async () => {
    const { fake, deliver } = stage;
    const userId = fresh('user');
    const paid = fake.payInvoice({
      ...{ userId, customer: fresh('cus'), subscription: fresh('sub') },
      lines: [{ price: 'price_pack' }],
    });
    await deliver(paid);
    const { events } = fake.issueCreditNote(String(paid.data.object.id), {
      ...{ amount: 60, toBalance: 25, outOfBand: 5 },
    });
    const inAcacia = (type: string) => {
      const event = events.find((one) => one.type === type);
      if (!event) throw new Error(`there is no ${type}`);
      return fake.inShape(event, 'acacia');
    };
    const noted = inAcacia('credit_note.created');
    expect(noted.data.object).not.toHaveProperty('refunds');
    fake.setFault({ kind: 'error', status: 500, path: '/v1/credit_notes' });
    expect(await deliver(noted)).toBe('parked');
    expect(await missing({ userId })).toBe(0);
    fake.setFault(null);
    await until(async () => (await stage.stored(noted))?.state === 'done');
    expect(await missing({ userId })).toBe(300);
    expect(await deliver(inAcacia('refund.created'))).toBe('done');
    expect(await missing({ userId })).toBe(600);
  });

  test.each([
    ['before payment', { type: 'pre_payment', pre_payment_amount: 50, post_payment_amount: 0 }],
    [
      'whose amount is all refunded',
      {
        post_payment_amount: 50,
        refunds: [{ type: 'refund', refund: 're_1', amount_refunded: 50 }],
      },
    ],
    [
      'of acacia with its refund',
      { type: 'post_payment', refund: 're_1', out_of_band_amount: null },
    ],
  ])('%s has no effect of its own', async (_, facts) => {
    expect(await stage.deliver(note(createPayment(), facts))).toBe('ignored');
  });
});
