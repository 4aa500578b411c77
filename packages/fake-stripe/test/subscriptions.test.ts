import type { Stripe } from 'stripe';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../src/fake-stripe.ts';
import { clientOf, idIn, named, typesOf } from './support.ts';

const DAY = 86_400;
/** 2026-01-31, at noon. */
const START = 1_769_860_800;

let fake: FakeStripe;
let client: Stripe;
beforeAll(async () => {
  fake = await startFakeStripe({ now: () => START });
  client = clientOf(fake);
  const product = fake.createProduct({ name: 'Plan' }).object.id;
  const monthly = { interval: 'month', intervalCount: 1 } as const;
  fake.createPrice({ id: 'price_small', product, unitAmount: 1000, recurring: monthly });
  fake.createPrice({ id: 'price_large', product, unitAmount: 3000, recurring: monthly });
  fake.createPrice({
    id: 'price_year',
    product,
    unitAmount: 9000,
    recurring: { interval: 'year', intervalCount: 1 },
  });
});
afterAll(() => fake.stop());

const periodOf = ({ items }: Stripe.Subscription) => [
  items.data[0]?.current_period_start,
  items.data[0]?.current_period_end,
];

const dateOf = (seconds = 0) => new Date(seconds * 1000).toISOString().slice(0, 10);

test('a checkout starts a subscription with its first invoice', async () => {
  const session = await client.checkout.sessions.create({
    mode: 'subscription',
    line_items: [{ price: 'price_small', quantity: 2 }],
    metadata: { user_id: 'ada' },
    subscription_data: { metadata: { user_id: 'ada' } },
    success_url: 'https://example.com/',
  });
  const { object, events } = fake.paySession(session.id);
  expect(typesOf(events)).toEqual([
    'customer.created',
    'customer.subscription.created',
    'invoice.created',
    'invoice.finalized',
    'payment_intent.created',
    'charge.succeeded',
    'payment_intent.succeeded',
    'invoice.paid',
    'invoice.payment_succeeded',
    'invoice_payment.paid',
    'checkout.session.completed',
  ]);
  const subscription = idIn(object, 'subscription');
  expect(named(events, 'invoice.paid').data.object).toMatchObject({
    billing_reason: 'subscription_create',
    amount_paid: 2000,
    parent: { subscription_details: { subscription, metadata: { user_id: 'ada' } } },
    lines: {
      data: [
        {
          quantity: 2,
          amount: 2000,
          pricing: { price_details: { price: 'price_small' } },
          parent: { subscription_item_details: { proration: false, subscription } },
        },
      ],
    },
  });
  expect(object).toMatchObject({ payment_status: 'paid', payment_intent: null });
});

test('it renews by the calendar, each period where the last one ended', async () => {
  const { object } = fake.subscribe({ price: 'price_small', userId: 'bob' });
  const periods: string[] = [dateOf(periodOf(await client.subscriptions.retrieve(object.id))[1])];
  for (let i = 0; i < 2; i++) {
    const { events } = fake.renewSubscription(object.id);
    expect(typesOf(events).slice(0, 3)).toEqual([
      'customer.subscription.updated',
      'invoice.created',
      'invoice.finalized',
    ]);
    expect(named(events, 'invoice.paid').data.object['billing_reason']).toBe('subscription_cycle');
    periods.push(dateOf(periodOf(await client.subscriptions.retrieve(object.id))[1]));
  }
  expect(periods).toEqual(['2026-02-28', '2026-03-28', '2026-04-28']);
  const invoices = await client.invoices.list({ subscription: object.id, status: 'paid' });
  expect(invoices.data).toHaveLength(3);
});

test('what is due renews when the clock has gone on', async () => {
  const own = await startFakeStripe({ now: () => START });
  own.subscribe({ price: 'price_plan', userId: 'cyd' });
  expect(own.renewDue()).toEqual([]);
  own.advance(62 * DAY);
  expect(own.renewDue().filter(({ type }) => type === 'invoice.paid')).toHaveLength(2);
  expect(own.renewDue()).toEqual([]);
  await own.stop();
});

test('a trial begins with an invoice of $0, and its end is the first that is paid', async () => {
  const { object, events } = fake.subscribe({ price: 'price_small', userId: 'dot', trialDays: 14 });
  expect(object['status']).toBe('trialing');
  const free = named(events, 'invoice.paid').data.object;
  expect(free).toMatchObject({ amount_paid: 0, total: 0, billing_reason: 'subscription_create' });
  expect(typesOf(events)).not.toContain('invoice_payment.paid');
  const renewed = fake.renewSubscription(object.id);
  expect(renewed.object['status']).toBe('active');
  expect(named(renewed.events, 'invoice.paid').data.object['amount_paid']).toBe(1000);
});

test('a larger plan in mid-period bills the difference in two proration lines', async () => {
  const { object } = fake.subscribe({ price: 'price_small', userId: 'eve' });
  const [start, end] = periodOf(await client.subscriptions.retrieve(object.id));
  fake.advance(((end ?? 0) - (start ?? 0)) / 2);
  const item = (await client.subscriptions.retrieve(object.id)).items.data[0]?.id as string;
  const updated = await client.subscriptions.update(object.id, {
    items: [{ id: item, price: 'price_large' }],
    proration_behavior: 'always_invoice',
    expand: ['latest_invoice'],
  });
  expect(updated.items.data[0]?.price.id).toBe('price_large');
  expect(periodOf(updated)).toEqual([start, end]);
  expect(updated.latest_invoice).toMatchObject({
    billing_reason: 'subscription_update',
    amount_paid: 1000,
    lines: {
      data: [
        {
          amount: -500,
          parent: { subscription_item_details: { proration: true } },
          pricing: { price_details: { price: 'price_small' } },
        },
        { amount: 1500, pricing: { price_details: { price: 'price_large' } } },
      ],
    },
  });
});

test('prorations may wait for the renewal, and a downgrade becomes credit', async () => {
  const { object } = fake.subscribe({ price: 'price_large', userId: 'fay' });
  const changed = fake.changeSubscription(object.id, { price: 'price_small', quantity: 2 });
  expect(typesOf(changed.events)).toEqual(['customer.subscription.updated']);
  const renewed = fake.renewSubscription(object.id);
  const invoice = named(renewed.events, 'invoice.paid').data.object;
  expect(invoice).toMatchObject({ total: 1000, amount_paid: 1000 });

  const down = fake.changeSubscription(object.id, { quantity: 1, proration: 'always_invoice' });
  expect(named(down.events, 'invoice.paid').data.object).toMatchObject({
    total: -1000,
    amount_due: 0,
    ending_balance: -1000,
  });
  const free = named(fake.renewSubscription(object.id).events, 'invoice.paid').data.object;
  expect(free).toMatchObject({ total: 1000, amount_paid: 0, starting_balance: -1000 });
});

test('a price of another interval begins a new period, with a line that is no proration', () => {
  const { object } = fake.subscribe({ price: 'price_small', userId: 'gus' });
  const { events } = fake.changeSubscription(object.id, { price: 'price_year' });
  const { lines } = named(events, 'invoice.paid').data.object as unknown as Stripe.Invoice;
  expect(
    lines.data.map(({ amount, parent }) => [amount, parent?.subscription_item_details?.proration]),
  ).toEqual([
    [-1000, true],
    [9000, false],
  ]);
});

test('a renewal may fail and be paid later, by card or out of band', async () => {
  for (const how of ['card', 'out_of_band'] as const) {
    const { object } = fake.subscribe({ price: 'price_small', userId: 'hal' });
    const failed = fake.renewSubscription(object.id, 'declined');
    expect(failed.object['status']).toBe('past_due');
    expect(typesOf(failed.events)).toContain('invoice.payment_failed');
    expect(typesOf(failed.events)).not.toContain('invoice.paid');
    const invoice = idIn(failed.object, 'latest_invoice');
    const paid = fake.collectInvoice(invoice, how);
    expect(paid.object['status']).toBe('paid');
    expect(typesOf(paid.events).includes('invoice_payment.paid')).toBe(how === 'card');
    expect((await client.subscriptions.retrieve(object.id)).status).toBe('active');
  }
});

test('it ends at once, or with its period', async () => {
  const { object } = fake.subscribe({ price: 'price_small', customer: 'cus_ira' });
  await client.subscriptions.update(object.id, { cancel_at_period_end: true });
  expect((await client.subscriptions.retrieve(object.id)).status).toBe('active');
  const { events } = fake.renewSubscription(object.id);
  expect(typesOf(events)).toEqual(['customer.subscription.deleted']);
  const other = fake.subscribe({ price: 'price_small', customer: 'cus_ira' });
  expect((await client.subscriptions.cancel(other.object.id)).status).toBe('canceled');
  const list = (params = {}) => client.subscriptions.list({ customer: 'cus_ira', ...params });
  expect((await list()).data).toEqual([]);
  expect((await list({ status: 'all' })).data).toHaveLength(2);
  expect(() => fake.renewSubscription(other.object.id)).toThrow(/canceled/);
});

test('an invoice by hand belongs to no subscription', () => {
  const { object, events } = fake.issueInvoice({
    customer: 'cus_jo',
    lines: [{ price: 'price_one' }],
  });
  expect(object).toMatchObject({ billing_reason: 'manual', status: 'paid', parent: null });
  expect(typesOf(events).at(-1)).toBe('invoice_payment.paid');
  const open = fake.issueInvoice({
    customer: 'cus_jo',
    lines: [{ price: 'price_one' }],
    how: 'not_at_all',
  });
  expect(typesOf(fake.voidInvoice(open.object.id).events)).toEqual(['invoice.voided']);
});
