import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Stripe } from 'stripe';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inPlannedOrder } from '../src/delivery-plan.ts';
import { type FakeStripe, startFakeStripe } from '../src/fake-stripe.ts';
import { named, typesOf } from './support.ts';

const SECRET = 'whsec_test';

let fake: FakeStripe;
let server: Server;
let url: string;
let received: Stripe.Event[];
/** What the shop's server answers, in turn; 200 after that. */
let answers: number[];
beforeEach(async () => {
  fake = await startFakeStripe();
  received = [];
  answers = [];
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const signature = String(request.headers['stripe-signature']);
    received.push(Stripe.webhooks.constructEvent(body, signature, SECRET));
    response.writeHead(answers.shift() ?? 200).end('{"data":{"state":"done"}}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`;
});
afterEach(async () => {
  await fake.stop();
  server.closeAllConnections();
  server.close();
});

const buy = () => fake.paySession(fake.createSession({ lines: [{ price: 'price_a' }] }).id).events;

test('stripe-node verifies its signatures', async () => {
  const [event] = buy();
  expect(event && (await fake.deliver(event, { url, secret: SECRET })).status).toBe(200);
  expect(received.map(({ id }) => id)).toEqual([event?.id]);
});

test('each endpoint gets the events it wants, in its shape', async () => {
  const { events } = fake.subscribe({ price: 'price_plan' });
  const endpoint = { url, secret: SECRET, enabledEvents: ['invoice.paid', 'charge.*'] };
  const sent = await fake.send(events, { ...endpoint, shape: 'acacia' });
  expect(sent.map(({ type, status }) => [type, status])).toEqual([
    ['charge.succeeded', 200],
    ['invoice.paid', 200],
  ]);
  expect(received.map(({ api_version }) => api_version)).toEqual(
    Array(2).fill('2025-02-24.acacia'),
  );
});

test('deliveries are repeated, reordered, concurrent, delayed, or lost and sent again', async () => {
  const events = buy();
  const endpoint = { url, secret: SECRET };
  const sent = await fake.send(events, endpoint, { times: 3, concurrently: true, shuffled: true });
  expect(sent).toHaveLength(12);
  expect(received.map(({ type }) => type).toSorted()).toEqual(
    typesOf([...events, ...events, ...events]).toSorted(),
  );
  received = [];
  await fake.send(events, endpoint, { dropped: (i) => i < 2, delayed: 5 });
  const [a, b, ...rest] = typesOf(events);
  expect(received.map(({ type }) => type)).toEqual([...rest, a, b]);
});

test('a plan with the same random numbers is the same plan', () => {
  const random = (seed: number) => () => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const things = Array.from({ length: 30 }, (_, i) => i);
  const plan = (seed: number) =>
    inPlannedOrder(things, { times: 2, shuffled: true, random: random(seed) });
  expect(plan(7)).toEqual(plan(7));
  expect(plan(7)).not.toEqual(plan(8));
  expect(plan(7).toSorted((a, b) => a - b)).toEqual(things.flatMap((i) => [i, i]));
});

test('by itself it delivers every event once, and again after a failure', async () => {
  answers = [500];
  fake.deliverTo([{ url, secret: SECRET, enabledEvents: ['checkout.session.completed'] }]);
  const event = named(buy(), 'checkout.session.completed');
  await expect.poll(() => received.length, { timeout: 5_000 }).toBe(2);
  expect(received.map(({ id }) => id)).toEqual([event.id, event.id]);
});

test('another process plays buyer and bank through the control door', async () => {
  fake.deliverTo([{ url, secret: SECRET }]);
  const post = async (path: string, body: unknown) => {
    const answer = await fetch(fake.url + path, { method: 'POST', body: JSON.stringify(body) });
    return { status: answer.status, body: (await answer.json()) as Record<string, never> };
  };
  const purchase = { user_id: 'ada', price: 'price_500', quantity: 2 };
  const bought = await post('/_fake/purchases', purchase);
  expect(bought).toMatchObject({
    status: 200,
    body: {
      object: { payment_status: 'paid', metadata: { user_id: 'ada' } },
      deliveries: expect.arrayContaining([
        expect.objectContaining({ type: 'checkout.session.completed', status: 200 }),
      ]),
    },
  });
  for (const bad of [{}, { ...purchase, quantity: 0 }, { ...purchase, user_id: 7 }, null]) {
    expect((await post('/_fake/purchases', bad)).status).toBe(400);
  }
  expect(await post('/_fake/refunds', { user_id: 'ada' })).toMatchObject({
    body: { object: { object: 'refund', amount: 200 } },
  });
  expect((await post('/_fake/disputes', { user_id: 'ada' })).status).toBe(400);
  expect((await post('/_fake/renewals', { user_id: 'ada' })).status).toBe(400);
  const subscribed = await post('/_fake/life/subscribe', [{ price: 'price_plan', userId: 'ada' }]);
  expect(subscribed.body).toMatchObject({ object: { status: 'active' } });
  expect((await post('/_fake/renewals', { user_id: 'ada' })).status).toBe(200);
  for (const path of ['life/toString', 'life/constructor', 'whim', 'purchases/x', '']) {
    expect((await post(`/_fake/${path}`, [])).status, path).toBe(404);
  }
});

test('ids are never the same in two fakes', async () => {
  const other = await startFakeStripe();
  const ids = [fake, other].flatMap((one) => one.subscribe({ price: 'price_plan' }).events);
  expect(new Set(ids.map(({ id }) => id)).size).toBe(ids.length);
  await other.stop();
});
