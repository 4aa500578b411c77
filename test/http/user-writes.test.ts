import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const READS = [
  '/api/v1/me/hello',
  '/api/v1/me/credits',
  '/api/v1/me/credits/entries',
  '/api/v1/me/auto-top-up',
];
const DEBITS: readonly (readonly [url: string, body: object])[] = [
  ['/api/v1/credits/debit', { delta: 1 }],
  ['/api/v1/use-credits', { units: 1 }],
];
const PURCHASES: readonly (readonly [url: string, body?: object])[] = [
  ['/api/v1/checkout-sessions', { price: 'price_x' }],
  ['/api/v1/checkout-sessions/cs_1/sync'],
  ['/api/v1/portal-sessions', {}],
  ['/api/v1/setup-sessions', { price: 'price_x' }],
];

describe.each([
  { writes: undefined, debits: true, buys: true },
  { writes: 'all', debits: true, buys: true },
  { writes: 'checkout', debits: false, buys: true },
  { writes: 'none', debits: false, buys: false },
])('with USER_TOKEN_WRITES=$writes a session token', ({ writes, debits, buys }) => {
  const user = `user-${writes}`;
  let api: TestApp;
  beforeAll(async () => {
    api = await startTestApp({ database, env: { USER_TOKEN_WRITES: writes } });
    await api.give(user, 10);
  });
  afterAll(() => api.close());

  const post = (url: string, body?: object) =>
    api.call('POST', url, { as: user, ...(body && { body }) });
  const REFUSED = {
    code: 'forbidden',
    message: 'Session tokens may not do that here; your server may, with a service key.',
  };

  test('reads', async () => {
    for (const url of READS) expect((await api.call('GET', url, { as: user })).status).toBe(200);
  });

  test(`${debits ? 'debits' : 'debits nothing'}`, async () => {
    for (const [url, body] of DEBITS) {
      const answer = await post(url, body);
      if (debits) expect(answer.status).toBe(200);
      else expect([answer.status, answer.body.error]).toEqual([403, REFUSED]);
    }
    const left = debits ? { balance: 8, entries: 3 } : { balance: 10, entries: 1 };
    expect(await api.onRecord(user)).toEqual(left);
  });

  test(`${buys ? 'buys' : 'buys nothing'}`, async () => {
    for (const [url, body] of PURCHASES) {
      const { status, body: answer } = await post(url, body);
      // Nothing is for sale here, and no Stripe answers.
      if (buys) expect([404, 409, 422, 503]).toContain(status);
      else expect([status, answer.error]).toEqual([403, REFUSED]);
    }
  });

  test('ends an auto top-up', async () => {
    const { status, body } = await api.call('DELETE', '/api/v1/me/auto-top-up', { as: user });
    expect([status, body.data.enabled]).toEqual([200, false]);
  });

  test('is no obstacle to a service key', async () => {
    const key = await api.makeKey('credits:spend');
    const url = `/api/v1/users/${user}/credits/debit`;
    expect((await api.call('POST', url, { key, body: { delta: 1 } })).status).toBe(200);
  });
});
