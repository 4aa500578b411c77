import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CREDITS, PACK, PLAN, type Shop, startShop } from '../../support/shop.ts';
import { publishPrices } from '../../support/stripe.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await startShop();
});
afterAll(() => shop.close());

const sessionOf = (id: string) => shop.fake.store.need('checkout.session', id);
const intentOf = async (session: string) => {
  const [row] = await shop.database.sql('SELECT * FROM purchase_intents WHERE session = $1', [
    session,
  ]);
  return row;
};

describe('what is opened', () => {
  test('is paid, and the webhook gives its credits to who opened it', async () => {
    const { body } = await shop.open('ada', { price: PACK, quantity: 3 });
    const { id, url, expires_at: expiresAt } = body.data;
    expect(Object.keys(body.data)).toEqual(['id', 'url', 'expires_at']);
    expect(new URL(url).origin).toBe(shop.fake.url);
    expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now());
    const { events } = shop.fake.paySession(id);
    await shop.deliver(events);
    expect(await shop.balanceOf('ada')).toBe(1500);
  });

  test('names the user on the session and on its payment, and has a customer', async () => {
    const session = sessionOf(await shop.opened('ben', { price: PACK }));
    const metadata = { user_id: 'ben', purchase_intent: expect.any(String) };
    expect(session).toMatchObject({ mode: 'payment', metadata, paymentMetadata: metadata });
    const [row] = await shop.database.sql(
      'SELECT stripe_customer_id FROM stripe_customers WHERE user_id = $1',
      ['ben'],
    );
    expect(session.customer).toBe(row?.['stripe_customer_id']);
    expect(await intentOf(session.id)).toMatchObject({
      id: session.metadata['purchase_intent'],
      user_id: 'ben',
      mode: 'payment',
      items: [{ price: PACK, quantity: 1, version: 1, amount: 500 }],
      amount: 500,
      currency: 'usd',
    });
  });

  test('is a subscription when a price recurs, and names the user on that too', async () => {
    const id = await shop.opened('cleo', { items: [{ price: PLAN }, { price: PACK }] });
    const metadata = { user_id: 'cleo', purchase_intent: expect.any(String) };
    expect(sessionOf(id)).toMatchObject({
      mode: 'subscription',
      metadata,
      subscriptionMetadata: metadata,
    });
  });

  test.each(['told in order', 'told backwards'])(
    'has an invoice for its buyer where that is wanted, and grants once: %s',
    async (order) => {
      const another = await shop.another({ CHECKOUT_INVOICES: 'all' });
      const user = `cora ${order}`;
      const id = await another.opened(user, { price: PACK });
      const { events } = shop.fake.paySession(id);
      const invoice = events.find(({ type }) => type === 'invoice.paid');
      expect(invoice?.data.object['metadata']).toEqual({ user_id: user });
      await another.deliver(order === 'told in order' ? events : events.toReversed());
      const granted = 'SELECT delta, reason FROM credit_ledger WHERE user_id = $1';
      expect(await shop.database.sql(granted, [user])).toEqual([
        { delta: 500, reason: 'Purchase' },
      ]);
      const refund = shop.fake.refundPayment(String(sessionOf(id).paymentIntent));
      await another.deliver(refund.events);
      expect(await another.balanceOf(user)).toBe(0);
      expect(await another.opened(user, { price: PLAN })).toMatch(/^cs_/);
      await another.close();
    },
  );

  test('has no invoice unless that is wanted, but a subscription’s own', async () => {
    const { events } = shop.fake.paySession(await shop.opened('cody', { price: PACK }));
    expect(events.map(({ type }) => type)).not.toContain('invoice.paid');
  });

  test('is asked of Stripe about its price once, ever', async () => {
    await shop.opened('dan', { price: 'price_pro' });
    const before = shop.fake.requests();
    await shop.opened('dan', { price: 'price_pro' });
    expect(shop.fake.requests() - before).toBe(1);
  });

  test('grants without asking Stripe for its lines when the buyer pays what was asked', async () => {
    const id = await shop.opened('dora', { price: PACK, quantity: 2 });
    const { events } = shop.fake.paySession(id);
    const before = shop.fake.requests();
    await shop.deliver(events);
    expect(shop.fake.requests()).toBe(before);
    expect(await shop.balanceOf('dora')).toBe(1000);
  });

  test('grants what the buyer made of it, when quantities may change', async () => {
    const id = await shop.opened('eve', { price: PACK, adjustable_quantity: true });
    const [line] = sessionOf(id).lines;
    const { events } = shop.fake.paySession(id, { quantities: { [line?.id ?? '']: 7 } });
    await shop.deliver(events);
    expect(await shop.balanceOf('eve')).toBe(3500);
  });

  test('grants what the buyer made of it, though the sum is what was asked', async () => {
    const { fake } = shop;
    const twin = 'price_twin';
    fake.createPrice({ id: twin, product: 'prod_sim_price_starter', unitAmount: 500 });
    await publishPrices(shop.database, new Map([...CREDITS, [twin, 1]]));
    const items = [{ price: PACK, quantity: 2 }, { price: twin }];
    const id = await shop.opened('ed', { items, adjustable_quantity: true });
    const [two, one] = sessionOf(id).lines.map((line) => line.id);
    const quantities = { [two ?? '']: 1, [one ?? '']: 2 };
    await shop.deliver(fake.paySession(id, { quantities }).events);
    expect(await shop.balanceOf('ed')).toBe(502);
  });

  test.each([
    ['currency', { currency: 'eur' }],
    ['amount', { amount_total: 499 }],
    ['amount without a discount', { total_details: { amount_discount: 1 } }],
  ])('asks Stripe for its lines when the buyer pays another %s', async (_, changes) => {
    const id = await shop.opened('elle', { price: PACK });
    const events = shop.fake.paySession(id).events.map((event) => ({
      ...event,
      data: { object: { ...event.data.object, ...changes } },
    }));
    const before = shop.fake.requests();
    const completed = events.filter(({ type }) => type === 'checkout.session.completed');
    expect(await shop.deliver(completed)).toEqual(['done']);
    expect(shop.fake.requests() - before).toBe(1);
  });

  test('gives nothing for free: a coupon of 100 % is not taken for the price', async () => {
    const coupon = String(shop.fake.createCoupon({ percentOff: 100 }).object.id);
    const id = await shop.opened('finn', { price: PACK });
    await shop.deliver(shop.fake.paySession(id, { coupon }).events);
    expect(await shop.balanceOf('finn')).toBe(0);
  });

  test('belongs to who opened it, whatever its metadata and customer say since', async () => {
    const id = await shop.opened('gil', { price: PACK });
    shop.fake.updateCustomer(String(sessionOf(id).customer), { metadata: { user_id: 'mallory' } });
    const events = shop.fake.paySession(id).events.map((event) => ({
      ...event,
      data: { object: { ...event.data.object, metadata: { user_id: 'mallory' } } },
    }));
    await shop.deliver(events);
    expect(await shop.balanceOf('gil')).toBe(500);
    expect(await shop.balanceOf('mallory')).toBe(0);
  });
});

describe('between the opening and the payment', () => {
  const republish = (changes: readonly (readonly [string, number | object])[]) =>
    publishPrices(shop.database, new Map([...CREDITS, ...changes]));
  afterEach(() => publishPrices(shop.database, CREDITS));

  test('other terms are published: what was sold is given', async () => {
    const id = await shop.opened('hal', { price: PACK });
    const adjusted = await shop.opened('hal', { price: PACK, adjustable_quantity: true });
    await republish([[PACK, 1]]);
    const later = await shop.another();
    await later.deliver(shop.fake.paySession(id).events);
    expect(await shop.balanceOf('hal')).toBe(500);
    const [line] = sessionOf(adjusted).lines;
    const quantities = { [line?.id ?? '']: 2 };
    await later.deliver(shop.fake.paySession(adjusted, { quantities }).events);
    await later.close();
    expect(await shop.balanceOf('hal')).toBe(1500);
  });

  test('its terms allow it for free no more: a coupon of 100 % gives what was sold', async () => {
    await republish([[PACK, { credits: 500, free: 'grant' }]]);
    const coupon = String(shop.fake.createCoupon({ percentOff: 100 }).object.id);
    const earlier = await shop.another();
    const id = await earlier.opened('ike', { price: PACK });
    await earlier.close();
    await publishPrices(shop.database, CREDITS);
    const later = await shop.another();
    const { object, events } = shop.fake.paySession(id, { coupon });
    expect(object).toMatchObject({
      payment_status: 'no_payment_required',
      payment_intent: null,
    });
    await later.deliver(events);
    await later.close();
    expect(await shop.balanceOf('ike')).toBe(500);
  });

  test('the price is withdrawn: it is granted all the same', async () => {
    const id = await shop.opened('ida', { price: PACK });
    await publishPrices(shop.database, new Map([...CREDITS].filter(([price]) => price !== PACK)));
    await shop.deliver(shop.fake.paySession(id).events);
    expect(await shop.balanceOf('ida')).toBe(500);
  });

  test('the terms of a plan change: the first invoice gives what was sold, a renewal the new', async () => {
    const id = await shop.opened('joy', { price: PLAN });
    await republish([[PLAN, 7]]);
    const later = await shop.another();
    await later.deliver(shop.fake.paySession(id).events);
    expect(await shop.balanceOf('joy')).toBe(1000);
    const subscription = String(sessionOf(id).subscription);
    await later.deliver(shop.fake.renewSubscription(subscription).events);
    await later.close();
    expect(await shop.balanceOf('joy')).toBe(1007);
  });
});

test('a subscription’s first invoice grants once, and the session links user and customer', async () => {
  const id = await shop.opened('kim', { price: PLAN });
  const { events } = shop.fake.paySession(id);
  await shop.deliver([...events, ...events].reverse());
  expect(await shop.balanceOf('kim')).toBe(1000);
  const { customer, subscription } = sessionOf(id);
  const links = await shop.database.sql(
    'SELECT stripe_id, user_id FROM stripe_user_aliases WHERE stripe_id = ANY($1)',
    [[customer, subscription]],
  );
  expect(links.map((row) => row['user_id'])).toEqual(['kim', 'kim']);
});

describe('an Idempotency-Key', () => {
  test('gets the same session, once and at once, marked as a replay', async () => {
    const first = await shop.open('nia', { price: PACK }, 'k');
    expect(first.headers['idempotency-replayed']).toBeUndefined();
    const again = await Promise.all(
      Array.from({ length: 5 }, () => shop.open('nia', { price: PACK }, 'k')),
    );
    for (const { headers, body } of again) {
      expect(headers['idempotency-replayed']).toBe('true');
      expect(body).toEqual(first.body);
    }
  });

  test('keeps the terms of the first time', async () => {
    const id = await shop.opened('ned', { price: PACK }, 'k');
    const before = await intentOf(id);
    await publishPrices(shop.database, new Map([...CREDITS, [PACK, 1]]));
    const later = await shop.another();
    expect(await later.opened('ned', { price: PACK }, 'k')).toBe(id);
    await later.close();
    await publishPrices(shop.database, CREDITS);
    expect(await intentOf(id)).toEqual(before);
  });

  test('for another order is a conflict; another user’s is their own', async () => {
    const mine = await shop.opened('nils', { price: PACK }, 'k2');
    const other = await shop.open('nils', { price: 'price_pro' }, 'k2');
    expect([other.status, other.body.error.code]).toEqual([409, 'idempotency_conflict']);
    expect(await shop.opened('nora', { price: PACK }, 'k2')).not.toBe(mine);
  });

  test('is not needed: without one every request opens a session', async () => {
    const ids = [
      await shop.opened('oda', { price: PACK }),
      await shop.opened('oda', { price: PACK }),
    ];
    expect(new Set(ids).size).toBe(2);
  });
});
