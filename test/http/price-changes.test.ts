import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

const withPrices = (prices: object, database?: TestApp['database']) =>
  startTestApp({
    ...(database && { database }),
    env: { CREDITS_PER_OPERATION_JSON: JSON.stringify(prices) },
  });

/** Three servers on one database, as while a price list is rolled out. */
let before: TestApp;
let after: Readonly<Record<'removed' | 'dearer', TestApp>>;
let key: string;
beforeAll(async () => {
  before = await withPrices({ render: 10 });
  after = {
    removed: await withPrices({ other: 1 }, before.database),
    dearer: await withPrices({ render: 999_999_999_999 }, before.database),
  };
  key = await before.makeKey('credits:spend', 'credits:read');
});
afterAll(async () => {
  for (const one of [after.removed, after.dearer, before]) await one.close();
});

const ASKED = { operation: 'render', quantity: '2.0' };
const HOLD = { ...ASKED, id: 'h', expires_in: 60 };

describe.each([
  ['removed', 422, 'unknown_operation'],
  ['dearer', 400, 'invalid_request'],
] as const)('of an operation that is %s', (change, status, code) => {
  test.each([
    ['debit', '/credits/debit', ASKED],
    ['use', '/use-credits', ASKED],
    ['hold', '/holds', HOLD],
  ])('the first answer to a %s comes back, and nothing else', async (kind, path, body) => {
    const user = `${kind}-${change}`;
    const post = (on: TestApp, name: string, sent: object) =>
      on.call('POST', `/api/v1/users/${user}${path}`, {
        ...{ key, body: sent },
        headers: { 'idempotency-key': name },
      });
    await before.give(user, 100);
    const first = await post(before, 'k', body);
    expect(first.status).toBe(200);
    const onRecord = await before.onRecord(user);

    const again = await post(after[change], 'k', { ...body, quantity: 2 });
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect(again.headers['idempotency-replayed']).toBe('true');

    const other = await post(after[change], 'k', { ...body, quantity: 3 });
    expect([other.status, other.body.error.code]).toEqual([409, 'idempotency_conflict']);
    const fresh = await post(after[change], 'l', body);
    expect([fresh.status, fresh.body.error.code]).toEqual([status, code]);
    expect(await before.onRecord(user)).toEqual(onRecord);
  });

  test('an item of a batch gets its first outcome, too', async () => {
    const user = `batch-${change}`;
    const items = ['a', 'b'].map((idempotency_key) => ({
      user_id: user,
      ...ASKED,
      idempotency_key,
    }));
    const batch = (on: TestApp, sent: readonly object[]) =>
      on.call('POST', '/api/v1/debits/batch', { key, body: { items: sent } });
    await before.give(user, 100);
    const first = await batch(before, items.slice(0, 1));
    const again = await batch(after[change], items);
    expect(again.body.data).toMatchObject([
      { ok: true, replayed: true, data: first.body.data[0].data },
      { ok: false, error: { code } },
    ]);
    expect(await before.onRecord(user)).toEqual({ balance: 80, entries: 2 });
  });

  test('without a key there is no first answer', async () => {
    await before.give(`bare-${change}`, 100);
    const sent = { as: `bare-${change}`, body: ASKED };
    expect((await before.call('POST', '/api/v1/credits/debit', sent)).status).toBe(200);
    expect((await after[change].call('POST', '/api/v1/credits/debit', sent)).status).toBe(status);
  });
});
