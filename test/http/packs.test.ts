import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { publish } from '../../src/stripe/catalogue/publish.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { terms } from '../support/stripe.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  const prices = new Map([
    ['price_pack', terms({ credits: 500, name: 'Pack', description: 'Five hundred' })],
    ['price_gift', terms({ credits: 5, category: 'bonus', expires: '30 days' })],
    ['price_seat', terms(0)],
    ['price_hidden', terms({ credits: 7, forSale: false })],
    ['price_gone', terms(9)],
  ]);
  await publish(database.pool, { source: 'env', prices });
  prices.delete('price_gone');
  await publish(database.pool, { source: 'env', prices });
});
afterAll(() => database.drop());

/** A server that has answered nobody yet. */
async function startApp(env = {}): Promise<TestApp> {
  const api = await startTestApp({ database, env });
  onTestFinished(() => api.close());
  return api;
}

test('lists what is for sale to anyone, without a token: what gives nothing is no pack', async () => {
  const { call } = await startApp();
  const { status, body } = await call('GET', '/api/v1/packs');
  const unknown = { amount: null, currency: null, recurring: null };
  expect([status, body]).toEqual([
    200,
    {
      data: [
        {
          ...{ price: 'price_gift', name: null, description: null, credits: 5 },
          ...{ category: 'bonus', expires: '30 days', ...unknown },
        },
        {
          ...{ price: 'price_pack', name: 'Pack', description: 'Five hundred', credits: 500 },
          ...{ category: null, expires: 'never', ...unknown },
        },
      ],
    },
  ]);
});

test('takes no query parameters, and says so', async () => {
  const { call } = await startApp();
  const { status, body } = await call('GET', '/api/v1/packs?currency=eur');
  expect([status, body.error.code]).toEqual([400, 'invalid_request']);
});

test('may be kept for a minute, unlike every other answer; an error may not', async () => {
  const { call } = await startApp();
  const { headers } = await call('GET', '/api/v1/packs');
  expect(headers['cache-control']).toBe('public, max-age=60');
  expect((await call('GET', '/api/v1/packs?x=1')).headers['cache-control']).toBe('no-store');
});

test('a crowd of callers is answered from memory, and no one of them is turned away', async () => {
  const { call } = await startApp({ RATE_LIMIT_PER_MINUTE: '3' });
  await call('GET', '/api/v1/packs');
  const holder = await database.pool.connect();
  try {
    await holder.query('BEGIN; LOCK TABLE stripe_prices, catalogue_prices');
    const asked = Array.from({ length: 200 }, () => call('GET', '/api/v1/packs'));
    for (const { status } of await Promise.all(asked)) expect(status).toBe(200);
  } finally {
    holder.release(true);
  }
});

test('is 503 while the database is away', async () => {
  const api = await startTestApp({ databaseUrl: 'postgres://127.0.0.1:1/nowhere', database });
  onTestFinished(() => api.close());
  const { status, body } = await api.call('GET', '/api/v1/packs');
  expect([status, body.error.code]).toEqual([503, 'database_unavailable']);
});
