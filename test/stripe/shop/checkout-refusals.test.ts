import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CREDITS, PACK, PLAN, type Shop, startShop } from '../../support/shop.ts';
import { publishPrices } from '../../support/stripe.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await startShop();
});
afterAll(() => shop.close());

describe('a checkout is refused and opens nothing:', () => {
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
    ['no items', 0, 'must not be empty'],
    ['more items than Stripe takes', 21, 'must have at most 20 items'],
  ])('%s, in words that help', async (_name, count, complaint) => {
    const items = Array.from({ length: count }, (_, i) => ({ price: `price_${i}` }));
    const { body } = await shop.open('pat', { items });
    expect(body.error).toMatchObject({ message: `The field \`items\` ${complaint}.` });
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

  test('a price that is not for sale, was withdrawn or is archived, though Stripe has it', async () => {
    const make = (active = true) => {
      const fields = { product: 'prod_sim_price_starter', unitAmount: 5, active };
      return String(shop.fake.createPrice(fields).object.id);
    };
    const [hidden, withdrawn, archived] = [make(), make(), make(false)];
    const offered = new Map<string, number | object>([
      ...CREDITS,
      ...([
        [hidden, { forSale: false }],
        [withdrawn, 5],
        [archived, 5],
      ] as const),
    ]);
    await publishPrices(shop.database, offered);
    await publishPrices(shop.database, new Map([...offered].filter(([id]) => id !== withdrawn)));
    for (const price of [hidden, withdrawn, archived]) {
      const { status, body } = await shop.open('pia', { price });
      expect([status, body.error]).toMatchObject([422, { code: 'price_not_for_sale', price }]);
    }
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
    const message = 'All prices of one purchase must be in the same currency.';
    expect([status, body.error]).toMatchObject([422, { code: 'checkout_refused', message }]);
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
