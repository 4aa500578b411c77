import type { Stripe } from 'stripe';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../src/fake-stripe.ts';
import { clientOf } from './support.ts';

let fake: FakeStripe;
let client: Stripe;
beforeAll(async () => {
  fake = await startFakeStripe();
  client = clientOf(fake);
});
afterAll(() => fake.stop());

const success = { success_url: 'https://example.com/thanks?s={CHECKOUT_SESSION_ID}' };

async function newPrice(recurring = false): Promise<string> {
  const { id } = await client.prices.create({
    currency: 'usd',
    unit_amount: 500,
    product_data: { name: 'Credits' },
    ...(recurring && { recurring: { interval: 'month' } }),
  });
  return id;
}

test('customers are created, changed, listed and deleted', async () => {
  const { id } = await client.customers.create({
    email: 'ada@x.example',
    metadata: { a: '1', b: '2' },
  });
  const updated = await client.customers.update(id, { name: 'Ada', metadata: { a: '', c: '3' } });
  expect(updated).toMatchObject({ name: 'Ada', metadata: { b: '2', c: '3' }, livemode: false });
  const listed = await client.customers.list({ email: 'ada@x.example' });
  expect(listed.data.map((one) => one.id)).toEqual([id]);
  expect(await client.customers.del(id)).toEqual(
    expect.objectContaining({ id, object: 'customer', deleted: true }),
  );
  expect(await client.customers.retrieve(id)).toMatchObject({ deleted: true });
  expect((await client.customers.list({ email: 'ada@x.example' })).data).toEqual([]);
  await expect(client.customers.update(id, { name: 'x' })).rejects.toMatchObject({
    code: 'resource_missing',
  });
});

test('products and prices are made, changed, and listed with their product', async () => {
  const product = await client.products.create({ name: 'Pack', metadata: { credits: '5' } });
  const price = await client.prices.create({
    product: product.id,
    currency: 'usd',
    unit_amount: 900,
    metadata: { credits: '500' },
    recurring: { interval: 'year' },
  });
  expect(price).toMatchObject({ type: 'recurring', recurring: { interval: 'year' }, active: true });
  const list = () => client.prices.list({ active: true, expand: ['data.product'], limit: 100 });
  const mine = (await list()).data.find(({ id }) => id === price.id);
  expect(mine?.product).toMatchObject({ name: 'Pack', metadata: { credits: '5' } });
  await client.prices.update(price.id, { active: false, metadata: { credits: '600' } });
  expect((await list()).data.some(({ id }) => id === price.id)).toBe(false);
  expect(await client.prices.retrieve(price.id)).toMatchObject({ metadata: { credits: '600' } });
  const events = await client.events.list({ type: 'price.updated' });
  expect(events.data[0]?.data.previous_attributes).toEqual({
    active: true,
    metadata: { credits: '500' },
  });
});

test('a session has everything that it was created with', async () => {
  const price = await newPrice();
  const customer = await client.customers.create({ email: 'bob@x.example' });
  const session = await client.checkout.sessions.create({
    ...success,
    mode: 'payment',
    customer: customer.id,
    client_reference_id: 'ref',
    line_items: [{ price, quantity: 3, adjustable_quantity: { enabled: true, maximum: 9 } }],
    metadata: { user_id: 'bob' },
    payment_intent_data: { metadata: { user_id: 'bob!' } },
    invoice_creation: { enabled: true, invoice_data: { metadata: { user_id: 'bob?' } } },
    expand: ['line_items', 'customer'],
  });
  expect(session).toMatchObject({
    status: 'open',
    payment_status: 'unpaid',
    payment_intent: null,
    amount_total: 1500,
    customer: { email: 'bob@x.example' },
    client_reference_id: 'ref',
    line_items: { data: [{ quantity: 3, amount_total: 1500, price: { id: price } }] },
    url: `${fake.url}/c/pay/${session.id}`,
  });
  expect(session.id).toMatch(/^cs_test_sim_/);
  fake.paySession(session.id);
  const paid = await client.checkout.sessions.retrieve(session.id, {
    expand: ['payment_intent.latest_charge', 'invoice.payments'],
  });
  expect(paid).toMatchObject({
    status: 'complete',
    payment_status: 'paid',
    url: null,
    payment_intent: { metadata: { user_id: 'bob!' }, latest_charge: { amount: 1500, paid: true } },
    invoice: {
      metadata: { user_id: 'bob?' },
      status: 'paid',
      payments: { data: [{ status: 'paid', amount_paid: 1500 }] },
    },
  });
});

test('sessions are found by payment intent, customer, status and time', async () => {
  const customer = await client.customers.create({});
  const lines = [{ price: 'price_found' }];
  const open = fake.createSession({ customer: customer.id, lines });
  const paid = fake.createSession({ customer: customer.id, lines });
  const payment_intent = String(fake.completeSession(paid.id).data.object['payment_intent']);
  const ids = async (params: Stripe.Checkout.SessionListParams) =>
    (await client.checkout.sessions.list(params)).data.map(({ id }) => id);
  expect(await ids({ payment_intent })).toEqual([paid.id]);
  expect(await ids({ customer: customer.id })).toEqual([paid.id, open.id]);
  expect(await ids({ customer: customer.id, status: 'open' })).toEqual([open.id]);
  const soon = { created: { gte: fake.now() + 100 } };
  expect(await ids({ customer: customer.id, ...soon })).toEqual([]);
  await client.checkout.sessions.expire(open.id);
  expect(await ids({ customer: customer.id, status: 'expired' })).toEqual([open.id]);
  await expect(client.checkout.sessions.expire(open.id)).rejects.toMatchObject({ statusCode: 400 });
});

test('a coupon and a promotion code come off the lines', async () => {
  const price = await newPrice();
  const coupon = await client.coupons.create({ percent_off: 25, duration: 'once' });
  const promotion = await client.promotionCodes.create({
    promotion: { type: 'coupon', coupon: coupon.id },
  });
  for (const discount of [{ coupon: coupon.id }, { promotion_code: promotion.id }]) {
    const session = await client.checkout.sessions.create({
      ...success,
      mode: 'payment',
      line_items: [{ price, quantity: 2 }, { price }],
      discounts: [discount],
    });
    expect(session).toMatchObject({ amount_subtotal: 1500, amount_total: 1125 });
    const items = await client.checkout.sessions.listLineItems(session.id);
    expect(items.data.map((item) => item.amount_discount)).toEqual([250, 125]);
  }
});

test.each<[string, (price: string) => object]>([
  ['no price', () => ({ line_items: [{ quantity: 1 }] })],
  ['an unknown price', () => ({ line_items: [{ price: 'price_none' }] })],
  ['no line', () => ({ line_items: [] })],
  ['half a quantity', (price) => ({ line_items: [{ price, quantity: 1.5 }] })],
  ['quantity 0', (price) => ({ line_items: [{ price, quantity: 0 }] })],
  ['an unknown mode', (price) => ({ mode: 'barter', line_items: [{ price }] })],
  [
    'a one-off price in a subscription',
    (price) => ({ mode: 'subscription', line_items: [{ price }] }),
  ],
  ['an unknown customer', (price) => ({ line_items: [{ price }], customer: 'cus_none' })],
  [
    'a URL that is none',
    (price) => ({ line_items: [{ price }], success_url: 'javascript:alert(1)' }),
  ],
  [
    'a parameter that was removed',
    (price) => ({ line_items: [{ price }], payment_method_types: ['card'] }),
  ],
  [
    'subscription_data in payment mode',
    (price) => ({ line_items: [{ price }], subscription_data: { trial_period_days: 3 } }),
  ],
  ['an end that is too near', (price) => ({ line_items: [{ price }], expires_at: 1 })],
  ['too long metadata', (price) => ({ line_items: [{ price }], metadata: { a: 'x'.repeat(501) } })],
])('a session with %s is refused', async (_name, params) => {
  const price = await newPrice();
  const create = client.checkout.sessions.create({
    ...success,
    mode: 'payment',
    ...params(price),
  } as Stripe.Checkout.SessionCreateParams);
  await expect(create).rejects.toMatchObject({
    statusCode: 400,
    type: 'StripeInvalidRequestError',
  });
});

test('lists are paged in both directions, newest first', async () => {
  const email = 'many@x.example';
  const made: string[] = [];
  for (let i = 0; i < 25; i++) made.push((await client.customers.create({ email })).id);
  made.reverse();
  const all: string[] = [];
  for await (const { id } of client.customers.list({ email, limit: 7 })) all.push(id);
  expect(all).toEqual(made);
  const ids = (page: { data: { id: string }[] }) => page.data.map(({ id }) => id);
  const before = await client.customers.list({
    email,
    limit: 3,
    ending_before: made[10] as string,
  });
  expect([ids(before), before.has_more]).toEqual([made.slice(7, 10), true]);
  const start = await client.customers.list({ email, limit: 5, ending_before: made[3] as string });
  expect([ids(start), start.has_more]).toEqual([made.slice(0, 3), false]);
  for (const params of [
    { limit: 0 },
    { limit: 101 },
    { starting_after: 'cus_none' },
    { whim: 1 },
  ]) {
    await expect(client.customers.list(params), JSON.stringify(params)).rejects.toMatchObject({
      statusCode: 400,
    });
  }
});

test('an invoice’s lines are paged, and its payload holds the first ten', async () => {
  const lines = Array.from({ length: 25 }, (_, i) => ({ price: `price_${i}` }));
  const { object } = fake.payInvoice({ subscription: 'sub_1', lines }).data;
  expect(object['lines']).toMatchObject({ has_more: true, total_count: 25 });
  const prices: unknown[] = [];
  for await (const line of client.invoices.listLineItems(object.id, { limit: 10 })) {
    prices.push(line.pricing?.price_details?.price);
  }
  expect(prices).toEqual(lines.map(({ price }) => price));
  expect((await client.invoices.retrieve(object.id)).status).toBe('paid');
});

test('one Idempotency-Key is one write, also when it is sent at once; other params are refused', async () => {
  const key = { idempotencyKey: 'key-1' };
  const create = () => client.customers.create({ email: 'idem@x.example' }, key);
  const made = await Promise.all(Array.from({ length: 20 }, create));
  expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  expect((await client.customers.list({ email: 'idem@x.example' })).data).toHaveLength(1);
  await expect(client.customers.create({ email: 'other@x.example' }, key)).rejects.toMatchObject({
    statusCode: 400,
    rawType: 'idempotency_error',
  });
  const refused = { idempotencyKey: 'key-2' };
  await expect(client.customers.create({ email: 'no' }, refused)).rejects.toThrow(/email/);
  expect((await client.customers.create({ email: 'a@b.example' }, refused)).id).toMatch(/^cus_/);
});

test('what it does not serve is an error for the client, as are live keys', async () => {
  await expect(client.topups.list()).rejects.toMatchObject({ statusCode: 404 });
  for (const ask of [
    client.invoices.retrieve('in_none'),
    client.charges.retrieve('__proto__'),
    client.disputes.retrieve('pi_1'),
  ]) {
    await expect(ask).rejects.toMatchObject({ statusCode: 404, code: 'resource_missing' });
  }
  const live = clientOf(fake, { key: 'sk_live_1' });
  await expect(live.accounts.retrieveCurrent()).rejects.toMatchObject({ statusCode: 401 });
  expect((await client.accounts.retrieveCurrent()).id).toBe('acct_sim_1');
});

test('an older client gets the older shape', async () => {
  const { object } = fake.payInvoice({
    customer: 'cus_old',
    subscription: 'sub_old',
    lines: [{ price: 'price_old' }],
  }).data;
  const old = { apiVersion: '2025-02-24.acacia' };
  expect(await client.invoices.retrieve(object.id, {}, old)).toMatchObject({
    paid: true,
    subscription: 'sub_old',
    lines: { data: [{ price: { id: 'price_old' }, proration: false, type: 'subscription' }] },
  });
  expect(await client.invoices.retrieve(object.id)).not.toHaveProperty('subscription');
});

test('an account’s events are in its own API version', async () => {
  const older = await startFakeStripe({ accountShape: 'acacia' });
  older.payInvoice({ subscription: 'sub_old', lines: [{ price: 'price_old' }] });
  const { data } = await clientOf(older).events.list({ type: 'invoice.paid' });
  expect(data[0]).toMatchObject({
    api_version: '2025-02-24.acacia',
    data: { object: { paid: true } },
  });
  await older.stop();
});
