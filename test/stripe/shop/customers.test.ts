import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { PACK, type Shop, startShop } from '../../support/shop.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await startShop();
});
afterEach(() => shop.fake.setFault(null));
afterAll(() => shop.close());

const sessionOf = (id: string) => shop.fake.store.need('checkout.session', id);

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
    // Longer than Stripe's client waits before it repeats the request that it may not send yet.
    shop.fake.setFault({ kind: 'slow', ms: 1_200, path: '/v1/customers' });
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
