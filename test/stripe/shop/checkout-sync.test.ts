import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CREDITS, PACK, PLAN, type Shop, startShop } from '../../support/shop.ts';
import { type Prices, publishPrices } from '../../support/stripe.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await startShop();
});
afterEach(() => shop.fake.setFault(null));
afterAll(() => shop.close());

async function statusOf(user: string, session: string): Promise<string> {
  const { status, body, text } = await shop.sync(user, session);
  expect(status, text).toBe(200);
  return body.data.status;
}

test('a paid session is granted before its webhook came, and the webhook grants no more', async () => {
  const id = await shop.opened('ada', { price: PACK });
  const { events } = shop.fake.paySession(id);
  const { body } = await shop.sync('ada', id);
  expect(body.data).toEqual({ id, status: 'granted', balance: 500, available: 500, held: 0 });
  expect(await shop.deliver(events)).toContain('done');
  expect(await shop.onRecord('ada')).toEqual({ balance: 500, entries: 1 });
});

test('after the webhook it says so, without asking Stripe', async () => {
  const id = await shop.opened('ben', { price: PACK });
  await shop.deliver(shop.fake.paySession(id).events);
  const before = shop.fake.requests();
  expect(await statusOf('ben', id)).toBe('granted');
  expect(shop.fake.requests()).toBe(before);
});

test('20 at once, and the webhook three times among them, grant once', async () => {
  for (const [user, order] of [
    ['cleo', { price: PACK }],
    ['cora', { price: PLAN }],
  ] as const) {
    const id = await shop.opened(user, order);
    const { events } = shop.fake.paySession(id);
    const [statuses] = await Promise.all([
      Promise.all(Array.from({ length: 20 }, () => statusOf(user, id))),
      ...[events, events, events].map((all) => shop.deliver(all)),
    ]);
    expect(new Set(statuses)).toEqual(new Set(['granted']));
    expect((await shop.onRecord(user)).entries).toBe(1);
  }
});

test('a subscription’s first invoice is granted, and its webhook grants no more', async () => {
  const id = await shop.opened('dan', { price: PLAN });
  const { events } = shop.fake.paySession(id);
  expect(await statusOf('dan', id)).toBe('granted');
  await shop.deliver(events);
  expect(await shop.onRecord('dan')).toEqual({ balance: 1000, entries: 1 });
});

test('a slow payment is pending until its end', async () => {
  for (const end of ['succeeded', 'failed'] as const) {
    const user = `eve ${end}`;
    const id = await shop.opened(user, { price: PACK });
    expect(await statusOf(user, id)).toBe('pending');
    await shop.deliver(shop.fake.paySession(id, { method: 'slow' }).events);
    expect(await statusOf(user, id)).toBe('pending');
    const { events } = shop.fake.endSlowPayment(id, end);
    if (end === 'succeeded') expect(await statusOf(user, id)).toBe('granted');
    await shop.deliver(events);
    expect(await statusOf(user, id)).toBe(end === 'succeeded' ? 'granted' : 'nothing');
    expect(await shop.balanceOf(user)).toBe(end === 'succeeded' ? 500 : 0);
  }
});

test('what was not paid gives nothing: an open, an expired and a free session', async () => {
  const open = await shop.opened('fay', { price: PACK });
  expect(await statusOf('fay', open)).toBe('pending');
  shop.fake.expireSession(open);
  expect(await statusOf('fay', open)).toBe('nothing');
  const coupon = String(shop.fake.createCoupon({ percentOff: 100 }).object.id);
  const free = await shop.opened('fay', { price: PACK });
  shop.fake.paySession(free, { coupon });
  expect(await statusOf('fay', free)).toBe('nothing');
  expect(await shop.onRecord('fay')).toEqual({ balance: 0, entries: 0 });
});

test('a free session gives nothing before its buyer has completed it', async () => {
  const { fake, database } = shop;
  const price = 'price_free';
  const prices: Prices = new Map([[price, { credits: 5, free: 'grant' }]]);
  await publishPrices(database, new Map([...CREDITS, ...prices]));
  const { id } = fake.createSession({ userId: 'fen', lines: [{ price }] });
  const open = fake.store.need('checkout.session', id);
  fake.store.save({ ...open, paymentStatus: 'no_payment_required' });
  expect(await statusOf('fen', id)).toBe('pending');
  expect(await shop.balanceOf('fen')).toBe(0);
});

test('days are counted from the payment, not from when its checkout was opened', async () => {
  const { fake, database } = shop;
  const price = 'price_30_days';
  const prices: Prices = new Map([[price, { expires: '30 days' }]]);
  await publishPrices(database, new Map([...CREDITS, ...prices]));
  const untilMidnight = 86_400 - (fake.now() % 86_400);
  fake.advance(untilMidnight + 86_400 - 3_600);
  const { id } = fake.createSession({ userId: 'fox', lines: [{ price }] });
  fake.advance(7_200);
  fake.paySession(id);
  expect(await statusOf('fox', id)).toBe('granted');
  const { body } = await shop.call('GET', '/api/v1/me/credits/entries', { as: 'fox' });
  const days = Math.floor(fake.now() / 86_400) + 31;
  expect(body.data[0].expires_at).toBe(new Date(days * 86_400_000).toISOString());
});

test('what was refunded before it was granted is taken back at once', async () => {
  const id = await shop.opened('flo', { price: PACK });
  shop.fake.paySession(id);
  const { events } = shop.fake.refundPayment(
    String(shop.fake.store.need('checkout.session', id).paymentIntent),
  );
  await shop.deliver(events);
  expect(await statusOf('flo', id)).toBe('granted');
  await shop.deliver(events);
  expect(await shop.balanceOf('flo')).toBe(0);
});

describe('only for its own user:', () => {
  test('another one’s session does not exist, paid or not, granted or not, and is not granted', async () => {
    const id = await shop.opened('gil', { price: PACK });
    for (const pay of [false, true]) {
      if (pay) shop.fake.paySession(id);
      const { status, body } = await shop.sync('mallory', id);
      expect([status, body.error.code]).toEqual([404, 'not_found']);
    }
    expect(await shop.balanceOf('gil')).toBe(0);
    expect(await shop.balanceOf('mallory')).toBe(0);
    expect(await statusOf('gil', id)).toBe('granted');
    expect((await shop.sync('mallory', id)).status).toBe(404);
  });

  test('a session of the shop’s own making is the user’s whom its metadata name', async () => {
    const session = shop.fake.createSession({ userId: 'hal', lines: [{ price: PACK }] });
    const nobodys = shop.fake.createSession({ lines: [{ price: PACK }] });
    shop.fake.paySession(session.id);
    shop.fake.paySession(nobodys.id);
    expect((await shop.sync('mallory', session.id)).status).toBe(404);
    expect((await shop.sync('mallory', nobodys.id)).status).toBe(404);
    expect(await statusOf('hal', session.id)).toBe('granted');
  });

  test.each([
    ['one that Stripe does not know', 'cs_test_unknown'],
    ['NUL', 'cs_%00'],
    ['300 characters', `cs_${'x'.repeat(297)}`],
    ['255 characters', `cs_${'x'.repeat(252)}`],
    ['a way out', '..%2F..%2Fcustomers'],
    ['a way out behind a session’s', 'cs_1%2F..%2F..%2Fcustomers%2Fcus_1'],
    ['a query', 'cs_1%3Fexpand=x'],
    ['an invoice’s', 'in_1'],
    ['a purchase intent’s', 'checkout_x'],
    ['a line break', 'cs_1%0A'],
    ['nothing', ''],
  ])('the id %s is answered 404', async (_name, id) => {
    expect((await shop.sync('ida', id)).status).toBe(404);
  });

  test('nobody without a token', async () => {
    const { status } = await shop.call('POST', '/api/v1/checkout-sessions/cs_1/sync');
    expect(status).toBe(401);
  });
});

test('a body is refused, unless it is empty', async () => {
  const id = await shop.opened('jo', { price: PACK });
  const url = `/api/v1/checkout-sessions/${id}/sync`;
  expect((await shop.call('POST', url, { as: 'jo', body: {} })).status).toBe(200);
  expect((await shop.call('POST', url, { as: 'jo', body: { credits: 5 } })).status).toBe(400);
});
