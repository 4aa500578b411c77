import type { Stripe } from 'stripe';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../src/fake-stripe.ts';
import { clientOf, typesOf } from './support.ts';

let fake: FakeStripe;
let client: Stripe;
beforeAll(async () => {
  fake = await startFakeStripe();
  client = clientOf(fake);
});
afterAll(() => fake.stop());

test('credit notes go back as a refund, out of band or as credit, and can be voided', async () => {
  const lines = [{ price: 'price_one', unitAmount: 900 }];
  const issue = (how: 'card' | 'out_of_band' = 'card') =>
    fake.issueInvoice({ customer: 'cus_kim', lines, how }).object;
  const refunded = fake.issueCreditNote(issue().id, { amount: 300 });
  expect(typesOf(refunded.events)).toEqual([
    'refund.created',
    'charge.refunded',
    'credit_note.created',
    'invoice.updated',
  ]);
  expect(refunded.object).toMatchObject({
    refunds: [{ amount_refunded: 300 }],
    type: 'post_payment',
  });

  const invoice = issue();
  const outside = fake.issueCreditNote(invoice.id, { amount: 400, outOfBand: 400 });
  expect(typesOf(outside.events)).toEqual(['credit_note.created', 'invoice.updated']);
  expect(outside.object).toMatchObject({ out_of_band_amount: 400, refunds: [] });
  expect((await client.invoices.retrieve(invoice.id)).post_payment_credit_notes_amount).toBe(400);
  expect(() => fake.issueCreditNote(invoice.id, { amount: 501 })).toThrow(/more than what is left/);
  const voided = fake.voidCreditNote(outside.object.id);
  expect(typesOf(voided.events)).toEqual(['credit_note.voided', 'invoice.updated']);
  expect((await client.creditNotes.list({ invoice: invoice.id })).data[0]?.status).toBe('void');

  const balance = fake.issueCreditNote(issue().id, { amount: 200, toBalance: 200 });
  expect(typesOf(balance.events)).toContain('customer.updated');
  const { id } = issue('out_of_band');
  expect(() => fake.issueCreditNote(id)).toThrow(/nothing was charged/);
});

test('what a credit note took off before the payment cannot be given back after it', () => {
  const lines = [{ price: 'price_one', unitAmount: 900 }];
  const { id } = fake.issueInvoice({ customer: 'cus_kim', lines, how: 'not_at_all' }).object;
  expect(fake.issueCreditNote(id, { amount: 300 }).object).toMatchObject({ type: 'pre_payment' });
  expect(fake.collectInvoice(id).object).toMatchObject({ amount_paid: 600 });
  expect(() => fake.issueCreditNote(id, { amount: 601 })).toThrow(/more than what is left/);
  const whole = fake.issueCreditNote(id).object;
  expect(whole).toMatchObject({ amount: 600, type: 'post_payment' });
});

test('credit notes of lines, by amount, by quantity or of their own, are listed like Stripe does', async () => {
  const lines = Array.from({ length: 12 }, () => ({ price: 'price_pack', quantity: 2 }));
  const invoice = fake.issueInvoice({ customer: 'cus_lines', lines }).object.id;
  const ids = fake.store.need('invoice', invoice).lines.map(({ id }) => id);
  const [first = '', second = ''] = ids;
  const charge = fake.store.need('invoice', invoice).charge ?? '';
  const refund = fake.refundPayment(charge, { amount: 150 }).object.id;
  const note = await client.creditNotes.create({
    invoice,
    lines: [
      { type: 'invoice_line_item', invoice_line_item: first, quantity: 1 },
      { type: 'invoice_line_item', invoice_line_item: second, amount: 50 },
      { type: 'custom_line_item', description: 'Goodwill', unit_amount: 10, quantity: 3 },
    ],
    refunds: [{ refund, amount_refunded: 150 }],
    out_of_band_amount: 30,
  });
  expect(note).toMatchObject({ total: 180, refunds: [{ refund, amount_refunded: 150 }] });
  expect(note.lines.data).toMatchObject([
    { invoice_line_item: first, amount: 100, quantity: 1, type: 'invoice_line_item' },
    { invoice_line_item: second, amount: 50, quantity: 2 },
    { amount: 30, quantity: 3, type: 'custom_line_item' },
  ]);
  const whole = await client.creditNotes.create({
    invoice,
    lines: ids.map((id) => ({
      ...{ type: 'invoice_line_item', invoice_line_item: id, quantity: 1 },
    })),
    refund_amount: 1200,
  });
  expect(whole.lines).toMatchObject({ has_more: true, data: { length: 10 } });
  const all = await client.creditNotes.listLineItems(whole.id, { limit: 100 });
  expect(all.data.map((line) => line.invoice_line_item)).toEqual(ids);
  for (const wrong of [
    { lines: [{ type: 'invoice_line_item', invoice_line_item: 'il_other', amount: 1 }] },
    { lines: [{ type: 'invoice_line_item', invoice_line_item: first, amount: 201 }] },
    { amount: 10, refund_amount: 9 },
  ]) {
    const refused = client.creditNotes.create({ invoice, ...wrong });
    await expect(refused).rejects.toMatchObject({ statusCode: 400 });
  }
});
