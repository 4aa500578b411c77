import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyLedger } from '../../../src/ledger/read/verify.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';
import { payTogether, payTwo } from './shared-intent.ts';

// Credit notes tell how much of the refunds of a payment intent that paid several invoices is
// whose.

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage();
});
afterAll(async () => {
  expect(await verifyLedger(stage.db.pool)).toMatchObject({ faults: [] });
  await stage.close();
});

/** Two renewals that one payment intent paid, told in full. */
async function tellTwo(userId: string, prices?: Parameters<typeof payTwo>[2]) {
  const two = payTwo(stage, userId, prices);
  for (const { named, paid } of [two.first, two.second]) {
    for (const event of [named, paid]) await stage.deliver(event);
  }
  return two;
}

describe('what a void note says of a refund counts for nothing: it is spread,', () => {
  const orders = { 'the refund told last': false, 'the end of the note told last': true } as const;
  const cases = Object.keys(orders).flatMap((name) => [
    { name: name as keyof typeof orders, isNamed: true },
    { name: name as keyof typeof orders, isNamed: false },
  ]);
  let made = 0;

  test.each(cases)('$name, the sharing told: $isNamed', async ({ name, isNamed }) => {
    made += 1;
    const { first, second } = payTwo(stage, `uri-${made}`);
    for (const { named, paid } of [first, second]) {
      for (const event of isNamed ? [named, paid] : [paid]) await stage.deliver(event);
    }
    const { object, events } = stage.fake.issueCreditNote(String(second.paid.data.object.id), {
      amount: 1000,
    });
    const { events: ended } = stage.fake.voidCreditNote(object.id);
    const ofNote = ({ type }: { readonly type: string }) => type.startsWith('credit_note');
    const refunded = events.filter((one) => !ofNote(one));
    const told = orders[name] ? [...refunded, ...ended] : [...ended, ...refunded];
    for (const event of [...events.filter(ofNote), ...told]) await stage.deliver({ ...event });
    expect(await stage.leftOfGrants(`uri-${made}`)).toEqual([500, 500]);
    const refund = told.find(({ type }) => type === 'refund.created');
    expect(refund && (await stage.stored(refund))?.state).toBe('done');
  });
});

test('a refund that pays the notes of two invoices takes from each what its note tells', async () => {
  const { first, second, paymentIntent } = await tellTwo('udo');
  const { object, events } = stage.fake.refundPayment(paymentIntent, { amount: 1000 });
  for (const event of events) await stage.deliver({ ...event });
  expect(await stage.leftOfGrants('udo')).toEqual([500, 500]);
  for (const [{ paid }, amount] of [
    [first, 200],
    [second, 800],
  ] as const) {
    const invoice = String(paid.data.object.id);
    const note = stage.fake.issueCreditNote(invoice, { amount, refund: object.id });
    for (const event of note.events) await stage.deliver({ ...event });
  }
  expect(await stage.leftOfGrants('udo')).toEqual([800, 200]);
});

test('notes that say more than their refund gives take no more than that', async () => {
  const { first, second, paymentIntent } = await tellTwo('uta');
  const { object, events } = stage.fake.refundPayment(paymentIntent, { amount: 1000 });
  for (const [{ paid }, amount] of [
    [first, 250],
    [second, 1000],
  ] as const) {
    const invoice = String(paid.data.object.id);
    const note = stage.fake.issueCreditNote(invoice, { amount, refund: object.id });
    for (const event of note.events) await stage.deliver({ ...event });
  }
  for (const event of events) await stage.deliver({ ...event });
  expect(await stage.leftOfGrants('uta')).toEqual([800, 200]);
});

test('a note’s lines are paid back by its part of a refund that is spread, while that is live', async () => {
  const about = { userId: 'uno', customer: 'cus_uno' };
  const plan = { price: 'price_plan', unitAmount: 1000 };
  const pack = { price: 'price_pack', unitAmount: 500 };
  const { invoices, paymentIntent } = payTogether(stage, 'uno', [plan]);
  const mark = stage.fake.events().length;
  const more = { ...about, subscription: 'sub_uno', lines: [plan, pack], paymentIntent };
  const paid = stage.fake.payInvoice(more);
  const named = stage.fake.events().slice(mark);
  const { latestCharge } = stage.fake.store.need('payment_intent', paymentIntent);
  const charge = stage.fake.store.need('charge', String(latestCharge));
  stage.fake.store.save({ ...charge, amount: 2500, amountCaptured: 2500 });
  const both = named.find(({ type }) => type === 'invoice_payment.paid');
  if (!both) throw new Error('it is not told');
  for (const event of [invoices[0].named, invoices[0].paid, both, paid]) {
    await stage.deliver({ ...event });
  }
  const invoice = String(paid.data.object.id);
  const [, line] = stage.fake.store.need('invoice', invoice).lines;
  const { object, events } = stage.fake.refundPayment(paymentIntent, { amount: 1000 });
  const note = stage.fake.issueCreditNote(invoice, {
    lines: [{ line: String(line?.id), amount: 500 }],
    refund: object.id,
  });
  for (const event of [...events, ...note.events]) await stage.deliver({ ...event });
  expect(await stage.leftOfGrants('uno')).toEqual([750, 750, 0]);
  for (const event of stage.fake.settleRefund(object.id, 'failed').events) {
    await stage.deliver({ ...event });
  }
  expect(await stage.leftOfGrants('uno')).toEqual([1000, 1000, 100]);
});

test('a refund that failed takes nothing, whatever a note says of it', async () => {
  const { second } = await tellTwo('ugo');
  const { events } = stage.fake.issueCreditNote(String(second.paid.data.object.id), {
    amount: 500,
  });
  for (const event of events) await stage.deliver({ ...event });
  expect(await stage.leftOfGrants('ugo')).toEqual([1000, 500]);
  const { id } = events.find(({ type }) => type === 'refund.created')?.data.object ?? {};
  for (const event of stage.fake.settleRefund(String(id), 'failed').events)
    await stage.deliver({ ...event });
  expect(await stage.leftOfGrants('ugo')).toEqual([1000, 1000]);
});

test('what a note says of one payment intent’s refund takes nothing off another’s', async () => {
  const { first, second, paymentIntent } = payTwo(stage, 'ufo');
  const other = payTogether(stage, 'ufa', [{ price: 'price_plan', unitAmount: 1000 }]);
  const payments = [paymentIntent, other.paymentIntent].map((payment_intent) => ({
    status: 'paid',
    payment: { type: 'payment_intent', payment_intent },
  }));
  const data = { object: { ...second.paid.data.object, payments: { data: payments } } };
  const [{ paid, named }] = other.invoices;
  for (const event of [first.named, first.paid, named, paid, { ...second.paid, data }]) {
    await stage.deliver({ ...event } as typeof paid);
  }
  const { events } = stage.fake.issueCreditNote(String(second.paid.data.object.id), {
    amount: 500,
  });
  const back = stage.fake.refundPayment(other.paymentIntent, { amount: 600 });
  for (const event of [...events, ...back.events]) await stage.deliver({ ...event });
  expect(await stage.leftOfGrants('ufa')).toEqual([600]);
  expect(await stage.leftOfGrants('ufo')).toEqual([1000, 300]);
});

test('the entry of the invoice whose notes it pays most of names the event of a refund', async () => {
  const { first, second, paymentIntent } = await tellTwo('uli');
  const ids = [first, second].map(({ paid }) => String(paid.data.object.id));
  const [one, other] = ids.toSorted();
  if (!one || !other) throw new Error('there are no invoices');
  const { object, events } = stage.fake.refundPayment(paymentIntent, { amount: 400 });
  const refund = events.find(({ type }) => type === 'refund.created');
  const notes = [
    stage.fake.issueCreditNote(one, { amount: 900 }),
    stage.fake.issueCreditNote(one, { amount: 100, refund: object.id }),
    stage.fake.issueCreditNote(other, { amount: 300, refund: object.id }),
  ];
  if (!refund) throw new Error('it is not told');
  // The charge tells of all its refunds.
  const told = notes
    .flatMap((note) => note.events)
    .filter(({ type }) => !type.startsWith('charge'));
  for (const event of told) await stage.deliver({ ...event });
  await stage.deliver({ ...refund });
  const sql = 'SELECT payment, delta FROM credit_ledger WHERE stripe_event_id = $1';
  expect(await stage.db.sql(sql, [refund.id])).toEqual([{ payment: other, delta: -300 }]);
});

test('a refund that its note gives to the second is done, though the first gave no credits', async () => {
  const { second } = await tellTwo('uwe', ['price_seat', 'price_plan']);
  const { events } = stage.fake.issueCreditNote(String(second.paid.data.object.id), {
    amount: 500,
  });
  const refund = events.find(({ type }) => type === 'refund.created');
  const note = events.find(({ type }) => type === 'credit_note.created');
  if (!refund || !note) throw new Error('it is not told');
  await stage.deliver({ ...note });
  expect(await stage.deliver({ ...refund })).toBe('done');
  expect(await stage.leftOfGrants('uwe')).toEqual([500]);
});
