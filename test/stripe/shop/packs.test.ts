import { afterEach, beforeEach, expect, test } from 'vitest';
import { PACK, PLAN, type Shop, startShop } from '../../support/shop.ts';
import { until } from '../../support/stripe.ts';

let shop: Shop;
beforeEach(async () => {
  shop = await startShop();
});
afterEach(() => shop.close());

async function packsOf(one: Shop) {
  const { status, body } = await one.call('GET', '/api/v1/packs');
  expect(status).toBe(200);
  return new Map<string, object>(body.data.map((pack: { price: string }) => [pack.price, pack]));
}

const learned = async () => {
  const [row] = await shop.database.sql('SELECT count(*)::int AS n FROM stripe_prices');
  return row?.['n'];
};

test('packs learn their amounts from Stripe by themselves, behind the answer', async () => {
  expect((await packsOf(shop)).get(PACK)).toMatchObject({ name: null, amount: null });
  await until(async () => Object(await packsOf(shop).then((all) => all.get(PLAN))).amount === 900);
  const packs = await packsOf(shop);
  expect(packs.get(PACK)).toMatchObject({ name: '500 credits', amount: 500, currency: 'usd' });
  expect(packs.get(PLAN)).toMatchObject({
    ...{ amount: 900, recurring: { interval: 'month', interval_count: 1 } },
  });
  expect(packs.get('price_at_no_shop')).toMatchObject({ amount: null, currency: null });
});

test('any number of readers has Stripe asked once for each price', async () => {
  shop.fake.setFault({ kind: 'slow', ms: 200 });
  const before = shop.fake.requests();
  await Promise.all(Array.from({ length: 5 }, () => packsOf(shop)));
  await until(async () => (await learned()) === 3);
  expect(shop.fake.requests()).toBe(before + 4);
});

test('packs are listed while Stripe is silent, which is left alone then', async () => {
  shop.fake.setFault({ kind: 'reset' });
  const before = shop.fake.requests();
  expect((await packsOf(shop)).has(PACK)).toBe(true);
  // Stripe's client sends a request twice.
  await until(async () => shop.fake.requests() === before + 2);
  shop.fake.setFault({ kind: 'silence' });
  for (let i = 0; i < 5; i++) expect((await packsOf(shop)).has(PACK)).toBe(true);
  expect(shop.fake.requests()).toBe(before + 2);
});
