import { Stripe } from 'stripe';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signatureHeader } from '../src/deliver.ts';
import { type FakeStripe, startFakeStripe } from '../src/fake-stripe.ts';

let fake: FakeStripe;
let client: Stripe;
beforeAll(async () => {
  fake = await startFakeStripe();
  client = clientWith('sk_test_1');
});
afterAll(() => fake.stop());

function clientWith(key: string, timeout = 5_000): Stripe {
  const { hostname: host, port } = new URL(fake.url);
  return new Stripe(key, { host, port, protocol: 'http', timeout, maxNetworkRetries: 0 });
}

test('a session is created, paid and listed by the real client', async () => {
  const created = await client.checkout.sessions.create({
    mode: 'payment',
    line_items: [{ price: 'price_a', quantity: 3 }, { price: 'price_b' }],
    metadata: { user_id: 'ada' },
    success_url: 'https://example.com/thanks',
  });
  expect(created).toMatchObject({ status: 'open', payment_status: 'unpaid', livemode: false });
  expect(created.id).toMatch(/^cs_test_sim_/);
  const event = fake.completeSession(created.id);
  expect(event).toMatchObject({ type: 'checkout.session.completed', livemode: false });
  const session = await client.checkout.sessions.retrieve(created.id);
  expect(session).toMatchObject({
    status: 'complete',
    payment_status: 'paid',
    metadata: { user_id: 'ada' },
  });
  const items = await client.checkout.sessions.listLineItems(created.id);
  expect(items.data.map(({ price, quantity }) => [price?.id, quantity])).toEqual([
    ['price_a', 3],
    ['price_b', 1],
  ]);
  expect((await client.prices.retrieve('price_a')).unit_amount).toBe(100);
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

test('what it does not serve is an error for the client, as are live keys', async () => {
  await expect(client.customers.list()).rejects.toMatchObject({ statusCode: 404 });
  await expect(client.invoices.retrieve('in_none')).rejects.toMatchObject({
    statusCode: 404,
    code: 'resource_missing',
  });
  await expect(clientWith('sk_live_1').accounts.retrieveCurrent()).rejects.toMatchObject({
    statusCode: 401,
  });
});

test('it fails, dawdles and falls silent when it is told to', async () => {
  const ask = () => clientWith('sk_test_1', 100).accounts.retrieveCurrent();
  fake.setFault({ kind: 'error', status: 500 });
  await expect(ask()).rejects.toMatchObject({ statusCode: 500 });
  for (const fault of [{ kind: 'silence' }, { kind: 'slow', ms: 60_000 }] as const) {
    fake.setFault(fault);
    await expect(ask()).rejects.toBeInstanceOf(Stripe.errors.StripeConnectionError);
  }
  fake.setFault(null);
  expect((await client.accounts.retrieveCurrent()).id).toBe('acct_sim_1');
});

test('another process buys through the control door', async () => {
  const purchase = { user_id: 'ada', price: 'price_500', quantity: 2 };
  const answer = await post('/_fake/purchases', purchase);
  expect(answer.status).toBe(200);
  const event = (await answer.json()) as ReturnType<FakeStripe['completeSession']>;
  expect(event).toMatchObject({
    type: 'checkout.session.completed',
    data: { object: { payment_status: 'paid', metadata: { user_id: 'ada' } } },
  });
  const items = await client.checkout.sessions.listLineItems(event.data.object.id);
  expect(items.data[0]?.quantity).toBe(2);
  for (const bad of [{}, { ...purchase, quantity: 0 }, { ...purchase, user_id: 7 }, null]) {
    expect((await post('/_fake/purchases', bad)).status).toBe(400);
  }
  const open = fake.createSession({ userId: 'ada', lines: [] });
  expect((await post(`/_fake/sessions/${open.id}/complete`, {})).status).toBe(200);
  expect((await post('/_fake/sessions/cs_none/complete', {})).status).toBe(404);
});

test('its signatures are what stripe-node verifies', () => {
  const payload = JSON.stringify(fake.payInvoice({ lines: [] }));
  const header = signatureHeader(payload, 'whsec_1', Math.floor(Date.now() / 1000));
  expect(Stripe.webhooks.constructEvent(payload, header, 'whsec_1').type).toBe('invoice.paid');
});

function post(path: string, body: unknown): Promise<Response> {
  return fetch(fake.url + path, { method: 'POST', body: JSON.stringify(body) });
}
