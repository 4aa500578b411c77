import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CREDITS, PACK, PLAN, type Shop, startShop } from '../../support/shop.ts';
import { publishPrices } from '../../support/stripe.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await startShop();
});
afterEach(() => shop.fake.setFault(null));
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
    await shop.deliver(shop.fake.paySession(id).events);
    expect(await shop.balanceOf('hal')).toBe(500);
    const [line] = sessionOf(adjusted).lines;
    const quantities = { [line?.id ?? '']: 2 };
    await shop.deliver(shop.fake.paySession(adjusted, { quantities }).events);
    expect(await shop.balanceOf('hal')).toBe(1500);
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
    const { events } = shop.fake.paySession(id);
    await shop.deliver(events);
    expect(await shop.balanceOf('joy')).toBe(1000);
    const subscription = String(sessionOf(id).subscription);
    const later = await shop.another();
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

describe('a user’s customer', () => {
  const customersOf = (user: string) =>
    shop.fake.store.all('customer').filter(({ metadata }) => metadata['user_id'] === user);

  test('is one, also when the first ten checkouts come at once', async () => {
    const opened = await Promise.all(
      Array.from({ length: 10 }, () => shop.opened('lea', { price: PACK })),
    );
    expect(new Set(opened.map((id) => sessionOf(id).customer)).size).toBe(1);
    expect(customersOf('lea')).toHaveLength(1);
  });

  test('is one, also when two servers make it at once', async () => {
    const other = await shop.another();
    shop.fake.setFault({ kind: 'slow', ms: 500, path: '/v1/customers' });
    const opened = await Promise.all(
      [shop, other, shop, other].map((one) => one.opened('leo', { price: PACK })),
    );
    await other.close();
    expect(new Set(opened.map((id) => sessionOf(id).customer)).size).toBe(1);
    expect(customersOf('leo')).toHaveLength(1);
  });

  test('is kept when the user has credits already', async () => {
    await shop.give('lou', 5);
    const first = sessionOf(await shop.opened('lou', { price: PACK })).customer;
    expect(sessionOf(await shop.opened('lou', { price: PACK })).customer).toBe(first);
  });

  test('is replaced once when Stripe has deleted it, also when that was not told', async () => {
    const before = String(sessionOf(await shop.opened('mia', { price: PACK })).customer);
    shop.fake.deleteCustomer(before);
    shop.fake.setFault({ kind: 'slow', ms: 200, path: '/v1/customers' });
    const opened = await Promise.all(
      Array.from({ length: 5 }, () => shop.opened('mia', { price: PACK })),
    );
    const after = new Set(opened.map((id) => sessionOf(id).customer));
    expect(after.size).toBe(1);
    expect(after.has(before)).toBe(false);
    expect(customersOf('mia').filter(({ deleted }) => !deleted)).toHaveLength(1);
  });

  test('is another one after each time that Stripe told of its deletion', async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const customer = String(sessionOf(await shop.opened('mo', { price: PACK })).customer);
      expect(seen.has(customer)).toBe(false);
      seen.add(customer);
      await shop.deliver(shop.fake.deleteCustomer(customer).events);
    }
  });

  test('is the one of an earlier checkout elsewhere, so that the portal shows what it bought', async () => {
    const customer = String(shop.fake.createCustomer({}).object.id);
    await shop.database.sql(
      'INSERT INTO stripe_user_aliases (stripe_id, user_id) VALUES ($1, $2)',
      [customer, 'may'],
    );
    expect(sessionOf(await shop.opened('may', { price: PACK })).customer).toBe(customer);
  });
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

describe('is refused and opens nothing:', () => {
  test.each([
    ['nothing', {}],
    ['price and items', { price: PACK, items: [{ price: PACK }] }],
    ['a quantity beside items', { items: [{ price: PACK }], quantity: 2 }],
    ['no items', { items: [] }],
    ['a price twice', { items: [{ price: PACK }, { price: PACK }] }],
    ['a quantity of 0', { price: PACK, quantity: 0 }],
    ['a negative quantity', { price: PACK, quantity: -1 }],
    ['half a unit', { price: PACK, quantity: 1.5 }],
    ['a quantity in words', { price: PACK, quantity: '2' }],
    ['a quantity of a million', { price: PACK, quantity: 1_000_000 }],
    ['a price with NUL', { price: 'price_\0' }],
    ['a price of 256 characters', { price: 'p'.repeat(256) }],
    ['an unknown field', { price: PACK, credits: 9 }],
    ['an unknown field of an item', { items: [{ price: PACK, amount: 1 }] }],
    ['another user', { price: PACK, user_id: 'mallory' }],
    ['a list', []],
  ])('%s', async (_name, body) => {
    const before = shop.fake.requests();
    const { status, body: answer } = await shop.open('pat', body);
    expect([status, answer.error.code]).toEqual([400, 'invalid_request']);
    expect(shop.fake.requests()).toBe(before);
  });

  test.each([
    ['nobody knows', 'price_unknown'],
    ['an object’s own name', '__proto__'],
    ['gives no credits alone', 'price_fee'],
    ['Stripe does not know', 'price_at_no_shop'],
  ])('a price that %s', async (_name, price) => {
    const { status, body } = await shop.open('pia', { price });
    expect([status, body.error.code]).toEqual([422, 'price_not_for_sale']);
  });

  test('a price that was withdrawn, or is not for sale', async () => {
    const credits = new Map<string, number | object>([...CREDITS]);
    await publishPrices(shop.database, new Map([...credits, ['price_hidden', { forSale: false }]]));
    const hidden = await shop.open('pia', { price: 'price_hidden' });
    expect([hidden.status, hidden.body.error]).toMatchObject([422, { price: 'price_hidden' }]);
    await publishPrices(shop.database, CREDITS);
  });

  test('a price that Stripe has archived since it was asked', async () => {
    const { object } = shop.fake.createPrice({ product: 'prod_sim_price_starter', unitAmount: 5 });
    const price = object.id;
    await publishPrices(shop.database, new Map([...CREDITS, [price, 5]]));
    await shop.opened('pia', { price });
    const record = shop.fake.store.need('price', price);
    shop.fake.store.save({ ...record, active: false });
    const { status, body } = await shop.open('pia', { price });
    expect([status, body.error.code]).toEqual([422, 'price_not_for_sale']);
    await publishPrices(shop.database, CREDITS);
  });

  test('prices in two currencies', async () => {
    const { object } = shop.fake.createPrice({
      product: 'prod_sim_price_starter',
      unitAmount: 5,
      currency: 'eur',
    });
    await publishPrices(shop.database, new Map([...CREDITS, [object.id, 5]]));
    const { status, body } = await shop.open('pia', {
      items: [{ price: PACK }, { price: object.id }],
    });
    expect([status, body.error.code]).toEqual([422, 'checkout_refused']);
    await publishPrices(shop.database, CREDITS);
  });

  test('more credits than the ledger takes at once', async () => {
    await publishPrices(shop.database, new Map([...CREDITS, ['price_pro', 1e11]]));
    const fresh = await shop.another();
    for (const order of [{ quantity: 11 }, { adjustable_quantity: true }]) {
      const { status, body } = await fresh.open('pia', { price: 'price_pro', ...order });
      expect([status, body.error.code]).toEqual([422, 'checkout_refused']);
    }
    await fresh.close();
    await publishPrices(shop.database, CREDITS);
  });

  test('a request without a token', async () => {
    const { status } = await shop.call('POST', '/api/v1/checkout-sessions', {
      body: { price: PACK },
    });
    expect(status).toBe(401);
  });
});

test('whatever is sent, only a 200 opens a session, and nothing is a fault of ours', async () => {
  const field = fc.oneof(
    fc.constantFrom<unknown>(PACK, PLAN, '/x', 1, 2, true, [{ price: PACK }], null),
    fc.jsonValue(),
  );
  const body = fc.record(
    {
      price: field,
      quantity: field,
      items: field,
      adjustable_quantity: field,
      success_url: field,
      cancel_url: field,
    },
    { requiredKeys: [] },
  );
  const count = () => shop.fake.store.all('checkout.session').length;
  const statuses = new Set<number>();
  await fc.assert(
    fc.asyncProperty(fc.oneof(body, fc.jsonValue()), async (sent) => {
      const before = count();
      const { status } = await shop.open('quin', sent as object);
      statuses.add(status);
      expect(status).toBeLessThan(500);
      expect(count() - before).toBe(status === 200 ? 1 : 0);
    }),
    { numRuns: 300, examples: [[{ price: PACK }], [{ price: 'nothing' }]] },
  );
  expect([...statuses].sort()).toEqual([200, 400, 422]);
});
