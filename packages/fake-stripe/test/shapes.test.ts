import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../src/fake-stripe.ts';
import type { StripeObject } from '../src/objects/object.ts';
import { clientOf, idIn, named } from './support.ts';

let fake: FakeStripe;
beforeAll(async () => {
  fake = await startFakeStripe();
});
afterAll(() => fake.stop());

/** The event's object in both shapes. */
function both(event: { readonly id: string }): { current: StripeObject; acacia: StripeObject } {
  const [current, acacia] = [fake.inShape(event, 'current'), fake.inShape(event, 'acacia')];
  expect([current.id, current['api_version']]).toEqual([event.id, '2026-10-28.endive']);
  expect([acacia.id, acacia['api_version']]).toEqual([event.id, '2025-02-24.acacia']);
  return { current: current.data.object, acacia: acacia.data.object };
}

test('a paid invoice names subscription, payment, price and proration where its version has them', () => {
  const { events, object } = fake.subscribe({ price: 'price_plan', userId: 'ada' });
  const intent = named(events, 'payment_intent.succeeded').data.object;
  const { current, acacia } = both(named(events, 'invoice.paid'));
  expect(acacia).toMatchObject({
    subscription: object.id,
    subscription_details: { metadata: { user_id: 'ada' } },
    paid: true,
    payment_intent: intent.id,
    charge: intent['latest_charge'],
    lines: {
      data: [
        {
          price: { id: 'price_plan' },
          plan: { id: 'price_plan' },
          proration: false,
          type: 'subscription',
        },
      ],
    },
  });
  expect(current).toMatchObject({
    status: 'paid',
    parent: {
      type: 'subscription_details',
      subscription_details: { subscription: object.id, metadata: { user_id: 'ada' } },
    },
    lines: {
      data: [
        {
          pricing: { price_details: { price: 'price_plan' } },
          parent: {
            type: 'subscription_item_details',
            subscription_item_details: { proration: false },
          },
        },
      ],
    },
  });
  for (const gone of ['subscription', 'paid', 'payment_intent', 'charge', 'payments']) {
    expect(current).not.toHaveProperty(gone);
  }
  const [line] = (current['lines'] as { data: object[] }).data;
  for (const gone of ['price', 'plan', 'proration', 'type']) expect(line).not.toHaveProperty(gone);
});

test('charge and payment intent name their invoice only in the older version', () => {
  const { events } = fake.subscribe({ price: 'price_plan' });
  const invoice = named(events, 'invoice.paid').data.object.id;
  for (const type of ['charge.succeeded', 'payment_intent.succeeded']) {
    const { current, acacia } = both(named(events, type));
    expect(acacia['invoice']).toBe(invoice);
    expect(current).not.toHaveProperty('invoice');
  }
});

test('a subscription’s period is its own in the older version, its items’ in the current one', () => {
  const { events } = fake.subscribe({ price: 'price_plan' });
  const { current, acacia } = both(named(events, 'customer.subscription.created'));
  expect(current).not.toHaveProperty('current_period_end');
  const { data } = current['items'] as { data: Record<string, unknown>[] };
  expect(acacia['current_period_end']).toBe(data[0]?.['current_period_end']);
  expect(Number(acacia['current_period_end'])).toBeGreaterThan(fake.now());
});

test('a refund of a renewal names only its charge and payment in the current version', () => {
  const { events } = fake.subscribe({ price: 'price_plan' });
  const charge = idIn(named(events, 'payment_intent.succeeded').data.object, 'latest_charge');
  const refunded = fake.refundPayment(charge).events;
  const { current, acacia } = both(named(refunded, 'charge.refunded'));
  expect(acacia).toHaveProperty('invoice');
  expect(current).not.toHaveProperty('invoice');
  expect(both(named(refunded, 'refund.created')).current).toMatchObject({ charge });
});

test('a credit note’s refund is one in the older version, a list in the current one', () => {
  const invoice = fake.issueInvoice({ customer: 'cus_1', lines: [{ price: 'price_one' }] });
  const { events } = fake.issueCreditNote(invoice.object.id);
  const { current, acacia } = both(named(events, 'credit_note.created'));
  const refund = named(events, 'refund.created').data.object.id;
  expect(acacia['refund']).toBe(refund);
  expect(current['refunds']).toMatchObject([{ refund }]);
});

test('a credit note’s lines name the invoice’s, with their share of its discounts and taxes', () => {
  const { object } = fake.issueInvoice({
    customer: 'cus_1',
    lines: [{ price: 'price_x', unitAmount: 1000, discount: 100, tax: 90 }, { price: 'price_y' }],
  });
  const [line] = fake.store.need('invoice', object.id).lines;
  const { events } = fake.issueCreditNote(object.id, {
    lines: [{ line: line?.id ?? '', amount: 500 }],
  });
  const { current, acacia } = both(named(events, 'credit_note.created'));
  const credited = { invoice_line_item: line?.id, amount: 500, discount_amount: 50 };
  const told = { total: 495, subtotal: 500, discount_amount: 50 };
  expect(current).toMatchObject({
    ...{ ...told, post_payment_amount: 495, total_taxes: [{ amount: 45 }] },
    lines: { data: [{ ...credited, taxes: [{ amount: 45, tax_behavior: 'exclusive' }] }] },
  });
  expect(acacia).toMatchObject({
    ...{ ...told, tax_amounts: [{ amount: 45 }] },
    lines: { data: [{ ...credited, tax_amounts: [{ amount: 45, inclusive: false }] }] },
  });
});

test('both shapes say the same amounts, with discounts and taxes', () => {
  const lines = [{ price: 'price_x', unitAmount: 700, quantity: 2, discount: 100, tax: 130 }];
  const { current, acacia } = both(fake.payInvoice({ subscription: 'sub_x', lines }));
  for (const object of [current, acacia]) {
    expect(object).toMatchObject({ subtotal: 1400, total: 1430, amount_paid: 1430 });
  }
  expect([acacia['tax'], current['total_taxes']]).toMatchObject([130, [{ amount: 130 }]]);
});

test('a Stripe of live mode says so wherever it says a mode, and takes live keys only', async () => {
  const live = await startFakeStripe({ livemode: true });
  onTestFinished(() => live.stop());
  const session = live.createSession({ userId: 'ada', lines: [{ price: 'price_pack' }] });
  expect(session.id).toMatch(/^cs_live_/);
  const events = [
    ...live.paySession(session.id).events,
    ...live.subscribe({ price: 'price_plan' }).events,
  ];
  for (const { id } of events) {
    for (const shape of ['current', 'acacia'] as const) {
      const told = JSON.stringify(live.inShape({ id }, shape));
      expect(told).toContain('"livemode":true');
      expect(told).not.toContain('"livemode":false');
    }
  }
  const ask = (key: string) => clientOf(live, { key }).checkout.sessions.listLineItems(session.id);
  expect((await ask('sk_live_1')).data).toMatchObject([{ price: { livemode: true } }]);
  await expect(ask('sk_test_1')).rejects.toMatchObject({ statusCode: 401 });
});
