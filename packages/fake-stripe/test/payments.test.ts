import type { Stripe } from 'stripe';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../src/fake-stripe.ts';
import { clientOf, idIn, named, PACK, payByCard, typesOf } from './support.ts';

let fake: FakeStripe;
let client: Stripe;
beforeAll(async () => {
  fake = await startFakeStripe();
  client = clientOf(fake);
});
afterAll(() => fake.stop());

test('a payment by card is told of as Stripe tells it', async () => {
  const { session, intent, charge, events } = await payByCard(fake);
  expect(typesOf(events)).toEqual([
    'payment_intent.created',
    'charge.succeeded',
    'payment_intent.succeeded',
    'checkout.session.completed',
  ]);
  expect(named(events, 'checkout.session.completed').data.object).toMatchObject({
    id: session,
    payment_intent: intent,
    payment_status: 'paid',
    metadata: { user_id: 'ada' },
  });
  expect(await client.charges.retrieve(charge)).toMatchObject({
    amount: 1000,
    amount_refunded: 0,
    captured: true,
    customer: 'cus_ada',
    payment_intent: intent,
  });
  expect((await client.charges.list({ payment_intent: intent })).data[0]?.id).toBe(charge);
  expect(() => fake.paySession(session)).toThrow(/complete/);
});

test('an event shows its object as it was then', async () => {
  const { events, charge } = await payByCard(fake);
  fake.refundPayment(charge);
  const { id } = named(events, 'charge.succeeded');
  expect((await client.events.retrieve(id)).data.object).toMatchObject({ refunded: false });
  expect(await client.charges.retrieve(charge)).toMatchObject({ refunded: true });
});

test('a slow payment is unpaid first, and later succeeds or fails', async () => {
  for (const result of ['succeeded', 'failed'] as const) {
    const { id } = fake.createSession({ lines: PACK });
    const { events } = fake.paySession(id, { method: 'slow' });
    expect(typesOf(events)).toEqual([
      'payment_intent.created',
      'charge.pending',
      'payment_intent.processing',
      'checkout.session.completed',
    ]);
    expect(named(events, 'checkout.session.completed').data.object).toMatchObject({
      payment_status: 'unpaid',
    });
    const end = fake.endSlowPayment(id, result);
    const told = {
      succeeded: ['charge.succeeded', 'payment_intent.succeeded'],
      failed: ['charge.failed', 'payment_intent.payment_failed'],
    };
    const last = `checkout.session.async_payment_${result}`;
    expect(typesOf(end.events)).toEqual([...told[result], last]);
    expect(await client.checkout.sessions.retrieve(id)).toMatchObject({
      payment_status: result === 'succeeded' ? 'paid' : 'unpaid',
    });
    expect(() => fake.endSlowPayment(id, result)).toThrow();
  }
});

test('what is free needs no payment', async () => {
  const { id } = fake.createSession({ lines: PACK });
  fake.createCoupon({ id: 'all', percentOff: 100 });
  const { object, events } = fake.paySession(id, { coupon: 'all' });
  expect(typesOf(events)).toEqual(['checkout.session.completed']);
  expect(object).toMatchObject({
    payment_status: 'no_payment_required',
    payment_intent: null,
    amount_total: 0,
    total_details: { amount_discount: 1000 },
  });
});

test('a declined card leaves the session open', async () => {
  const { id } = fake.createSession({ lines: PACK });
  const { object, events } = fake.paySession(id, { method: 'declined' });
  expect(object['status']).toBe('open');
  expect(typesOf(events)).toContain('payment_intent.payment_failed');
  expect(fake.paySession(id).object['payment_status']).toBe('paid');
});

test('invoice_creation makes a paid invoice of the payment', async () => {
  const { events, intent, session } = await payByCard(fake, { invoiceCreation: true });
  expect(typesOf(events).slice(3)).toEqual([
    'invoice.created',
    'invoice.finalized',
    'invoice.paid',
    'invoice.payment_succeeded',
    'invoice_payment.paid',
    'checkout.session.completed',
  ]);
  const invoice = named(events, 'invoice.paid').data.object;
  expect(invoice).toMatchObject({ billing_reason: 'manual', parent: null, amount_paid: 1000 });
  expect(named(events, 'invoice_payment.paid').data.object).toMatchObject({
    invoice: invoice.id,
    payment: { type: 'payment_intent', payment_intent: intent },
  });
  expect((await client.checkout.sessions.retrieve(session)).invoice).toBe(invoice.id);
  const found = await client.invoicePayments.list({
    payment: { type: 'payment_intent', payment_intent: intent },
  });
  expect(found.data.map((one) => one.invoice)).toEqual([invoice.id]);
  const paid = await client.invoicePayments.list({ invoice: invoice.id, status: 'paid' });
  expect(await client.invoicePayments.retrieve(String(paid.data[0]?.id))).toMatchObject({
    amount_paid: 1000,
  });
});

test('manual capture takes the money later, without a session event', async () => {
  const { id } = fake.createSession({ lines: PACK, capture: 'manual' });
  const { object, events } = fake.paySession(id);
  expect(typesOf(events)).toContain('payment_intent.amount_capturable_updated');
  expect(object).toMatchObject({ status: 'complete', payment_status: 'unpaid' });
  const intent = idIn(object, 'payment_intent');
  await expect(client.refunds.create({ payment_intent: intent })).rejects.toThrow(/captured/);
  const expand = ['latest_charge.balance_transaction'];
  const authorized = await client.paymentIntents.retrieve(intent, { expand });
  expect(authorized.latest_charge).toMatchObject({ balance_transaction: null });
  fake.advance(86_400);
  const captured = fake.capturePayment(intent, 400);
  const { latest_charge: charge } = await client.paymentIntents.retrieve(intent, { expand });
  expect(charge).toMatchObject({
    amount: 1000,
    amount_captured: 400,
    amount_refunded: 0,
    refunded: false,
    balance_transaction: { amount: 400, created: fake.now(), source: Object(charge).id },
  });
  expect(typesOf(captured.events)).toEqual(['charge.captured', 'payment_intent.succeeded']);
  expect((await client.refunds.list({ payment_intent: intent })).data).toEqual([]);
  await expect(client.refunds.create({ payment_intent: intent, amount: 401 })).rejects.toThrow();
  await client.refunds.create({ payment_intent: intent, amount: 400 });
  expect(await client.charges.retrieve(Object(charge).id)).toMatchObject({ refunded: true });
  expect(captured.object['amount_received']).toBe(400);
  expect((await client.checkout.sessions.retrieve(id)).payment_status).toBe('paid');

  const other = fake.createSession({ lines: PACK, capture: 'manual' });
  const given = fake.cancelPayment(idIn(fake.paySession(other.id).object, 'payment_intent'));
  expect(typesOf(given.events)).toEqual(['payment_intent.canceled']);
});

test('up to acacia what is authorized and not captured is released as a refund', async () => {
  const authorize = () => {
    const { id } = fake.createSession({ lines: PACK, capture: 'manual' });
    return idIn(fake.paySession(id).object, 'payment_intent');
  };
  const released = ['refund.created', 'charge.refunded'];
  const expand = ['data.charge.balance_transaction', 'data.balance_transaction'];
  const refundsOf = async (intent: string) =>
    (await client.refunds.list({ payment_intent: intent, expand })).data;

  const captured = authorize();
  expect(typesOf(fake.capturePayment(captured, 400, 'acacia').events)).toEqual([
    ...released,
    'charge.captured',
    'payment_intent.succeeded',
  ]);
  expect(await refundsOf(captured)).toMatchObject([
    {
      ...{ amount: 600, status: 'succeeded' },
      balance_transaction: { amount: -600, reporting_category: 'partial_capture_reversal' },
      charge: {
        ...{ amount: 1000, amount_captured: 400, amount_refunded: 600, refunded: false },
        balance_transaction: { amount: 1000, reporting_category: 'charge' },
      },
    },
  ]);
  await expect(client.refunds.create({ payment_intent: captured, amount: 401 })).rejects.toThrow();
  await client.refunds.create({ payment_intent: captured });
  expect(await refundsOf(captured)).toMatchObject([
    {
      ...{ amount: 400, charge: { amount_refunded: 1000, refunded: true } },
      balance_transaction: { amount: -400, reporting_category: 'refund' },
    },
    { amount: 600 },
  ]);

  const canceled = authorize();
  expect(typesOf(fake.cancelPayment(canceled, 'acacia').events)).toEqual([
    ...released,
    'payment_intent.canceled',
  ]);
  expect(await refundsOf(canceled)).toMatchObject([
    { amount: 1000, status: 'succeeded', balance_transaction: null, charge: { captured: false } },
  ]);
});

test('setup mode saves a payment method and takes no money', () => {
  const { id } = fake.createSession({ mode: 'setup', lines: [] });
  const { object, events } = fake.paySession(id);
  expect(object).toMatchObject({ status: 'complete', payment_status: 'no_payment_required' });
  expect(typesOf(events)).toEqual([
    'customer.created',
    'payment_method.attached',
    'setup_intent.succeeded',
    'checkout.session.completed',
  ]);
});

test('deleting a customer ends the subscriptions and keeps what was paid', async () => {
  const { object } = fake.subscribe({ price: 'price_plan', userId: 'eve' });
  const customer = idIn(object, 'customer');
  const { events } = fake.deleteCustomer(customer);
  expect(typesOf(events)).toEqual(['customer.subscription.deleted', 'customer.deleted']);
  expect((await client.invoices.list({ customer })).data).toHaveLength(1);
});
