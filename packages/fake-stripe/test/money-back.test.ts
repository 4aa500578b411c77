import type { Stripe } from 'stripe';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../src/fake-stripe.ts';
import { clientOf, named, payByCard, typesOf } from './support.ts';

let fake: FakeStripe;
let client: Stripe;
beforeAll(async () => {
  fake = await startFakeStripe();
  client = clientOf(fake);
});
afterAll(() => fake.stop());

test('refunds add up on the charge, and never to more than was paid', async () => {
  const { intent, charge } = await payByCard(fake);
  const first = await client.refunds.create({ payment_intent: intent, amount: 300 });
  expect(first).toMatchObject({ status: 'succeeded', amount: 300, charge, payment_intent: intent });
  expect(await client.charges.retrieve(charge)).toMatchObject({
    amount_refunded: 300,
    refunded: false,
  });
  await expect(client.refunds.create({ charge, amount: 701 })).rejects.toMatchObject({
    statusCode: 400,
    param: 'amount',
  });
  const rest = await client.refunds.create({ charge });
  expect(rest.amount).toBe(700);
  await expect(client.refunds.create({ charge })).rejects.toMatchObject({
    code: 'charge_already_refunded',
  });
  for (const params of [{ charge }, { payment_intent: intent }]) {
    const listed = await client.refunds.list({ ...params, created: { gte: 1 } });
    expect(listed.data.map(({ id }) => id)).toEqual([rest.id, first.id]);
  }
  for (const params of [{}, { charge: 'ch_none' }, { charge, amount: 0 }]) {
    await expect(client.refunds.create(params)).rejects.toMatchObject({ statusCode: 400 });
  }
});

test('a refund may be pending, succeed, fail and be canceled', async () => {
  const { charge, intent } = await payByCard(fake);
  const refunded = async () => (await client.charges.retrieve(charge)).amount_refunded;
  const { object, events } = fake.refundPayment(intent, { amount: 600, status: 'pending' });
  expect(typesOf(events)).toEqual(['refund.created', 'charge.refunded']);
  expect(named(events, 'charge.refunded').data.previous_attributes).toEqual({ amount_refunded: 0 });
  expect(await refunded()).toBe(600);
  const done = fake.settleRefund(object.id, 'succeeded');
  expect(typesOf(done.events)).toEqual(['refund.updated', 'charge.refund.updated']);
  const failed = fake.settleRefund(object.id, 'failed');
  expect(typesOf(failed.events)).toEqual([
    'refund.updated',
    'charge.refund.updated',
    'refund.failed',
    'charge.updated',
  ]);
  expect(failed.object).toMatchObject({ status: 'failed', failure_reason: expect.any(String) });
  expect(named(failed.events, 'refund.updated').data.previous_attributes).toMatchObject({
    status: 'succeeded',
  });
  expect(await refunded()).toBe(0);
  const again = fake.refundPayment(charge, { status: 'pending' });
  expect(fake.settleRefund(again.object.id, 'canceled').object['status']).toBe('canceled');
  expect(() => fake.settleRefund(again.object.id, 'succeeded')).toThrow(/canceled/);
  expect(await refunded()).toBe(0);
});

test('a dispute takes the money and, when it is won, gives it back', async () => {
  const { charge, intent } = await payByCard(fake);
  const { object, events } = fake.openDispute(intent);
  expect(typesOf(events)).toEqual([
    'charge.dispute.created',
    'charge.updated',
    'charge.dispute.funds_withdrawn',
  ]);
  expect(named(events, 'charge.dispute.created').data.object).toMatchObject({
    status: 'needs_response',
    balance_transactions: [],
  });
  expect(await client.disputes.retrieve(object.id)).toMatchObject({
    amount: 1000,
    charge,
    payment_intent: intent,
    balance_transactions: [{ amount: -1000, fee: 1500, net: -2500 }],
  });
  await expect(client.refunds.create({ charge })).rejects.toMatchObject({
    code: 'charge_disputed',
  });
  expect(typesOf(fake.contestDispute(object.id).events)).toEqual(['charge.dispute.updated']);
  const won = fake.closeDispute(object.id, 'won');
  expect(typesOf(won.events)).toEqual(['charge.dispute.closed', 'charge.dispute.funds_reinstated']);
  expect(won.object['balance_transactions']).toMatchObject([{ amount: -1000 }, { amount: 1000 }]);
  const listed = await client.disputes.list({ payment_intent: intent, created: { gte: 1 } });
  expect(listed.data.map(({ status }) => status)).toEqual(['won']);
  expect((await client.charges.retrieve(charge)).disputed).toBe(true);
});

test('a dispute that was lost may still be won; an inquiry moves no money unless it escalates', async () => {
  const lost = fake.openDispute((await payByCard(fake)).charge, { amount: 400 });
  expect(typesOf(fake.closeDispute(lost.object.id, 'lost').events)).toEqual([
    'charge.dispute.closed',
  ]);
  const turned = fake.closeDispute(lost.object.id, 'won');
  expect(typesOf(turned.events)).toContain('charge.dispute.funds_reinstated');

  const inquiry = fake.openDispute((await payByCard(fake)).charge, { inquiry: true });
  expect(inquiry.object).toMatchObject({
    status: 'warning_needs_response',
    is_charge_refundable: true,
  });
  expect(typesOf(inquiry.events)).not.toContain('charge.dispute.funds_withdrawn');
  expect(fake.closeDispute(inquiry.object.id, 'won').object).toMatchObject({
    status: 'warning_closed',
    balance_transactions: [],
  });
  const other = fake.openDispute((await payByCard(fake)).charge, { inquiry: true });
  expect(typesOf(fake.escalateDispute(other.object.id).events)).toEqual([
    'charge.dispute.updated',
    'charge.dispute.funds_withdrawn',
  ]);
});
