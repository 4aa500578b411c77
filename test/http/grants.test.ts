import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
let key: string;
beforeAll(async () => {
  api = await startTestApp();
  key = await api.makeKey('credits:grant', 'credits:read', 'credits:spend');
});
afterAll(() => api.close());

function give(userId: string, body: unknown, idempotencyKey: string = randomUUID()) {
  const headers = { 'idempotency-key': idempotencyKey };
  return api.call('POST', `/api/v1/users/${userId}/grants`, { key, body, headers });
}

const BONUS = { amount: 100, category: 'bonus', reason: 'welcome' };

test('a grant says what it gave, and the statement who gave it, why and until when', async () => {
  const body = {
    ...BONUS,
    expires_at: '2099-01-31T12:00:00+01:00',
    ref: 'campaign-7',
    metadata: { campaign: 'spring', 'ab.test': 'ünïcode\n🎨', empty: '' },
  };
  const { status, headers, body: answer } = await give('ada', body);
  expect(status).toBe(200);
  expect(headers).not.toHaveProperty('idempotency-replayed');
  const entry = {
    id: expect.any(String),
    seq: 1,
    delta: 100,
    kind: 'bonus',
    reason: 'welcome',
    ref: 'campaign-7',
    created_at: expect.any(String),
    expires_at: '2099-01-31T11:00:00.000Z',
    metadata: body.metadata,
  };
  expect(answer).toEqual({ data: { balance: 100, available: 100, held: 0, entry } });
  const statement = await api.call('GET', '/api/v1/me/credits/entries', { as: 'ada' });
  expect(statement.body.data).toEqual([
    {
      ...entry,
      balance: 100,
      held: 0,
      actor: `key:${key.slice(0, 18)}`,
      lot: 1,
      payment: null,
      reverses_seq: null,
      ...{ hold_id: null, operation: null, quantity: null },
      draws: null,
    },
  ]);
});

test.each(['bonus', 'adjustment', 'included', 'purchase'])('the category %s', async (category) => {
  const { status, body } = await give(`of-${category}`, { ...BONUS, category });
  expect([status, body.data.entry.kind, body.data.entry.expires_at]).toEqual([200, category, null]);
});

test('a repeat gets the first answer again and gives nothing; another request is 409', async () => {
  const body = { ...BONUS, expires_at: '2099-01-01T00:00:00Z', metadata: { a: '1', b: '2' } };
  const first = await give('repeat', body, 'once');
  await give('repeat', BONUS);
  const same = { ...body, metadata: { b: '2', a: '1' }, expires_at: '2099-01-01T01:00:00+01:00' };
  const again = await give('repeat', same, 'once');
  expect([again.status, again.headers['idempotency-replayed'], again.body]).toEqual([
    200,
    'true',
    first.body,
  ]);
  for (const other of [
    { ...body, amount: 101 },
    { ...body, category: 'included' },
    { ...body, reason: 'other' },
    { ...body, ref: 'other' },
    { ...body, metadata: { a: '1' } },
    { ...body, expires_at: '2099-01-01T00:00:01Z' },
    { amount: 100, category: 'bonus', reason: 'welcome', metadata: body.metadata },
  ]) {
    const { status, body: answer } = await give('repeat', other, 'once');
    expect([status, answer.error.code]).toEqual([409, 'idempotency_conflict']);
  }
  expect(await api.onRecord('repeat')).toEqual({ balance: 200, entries: 2 });
});

test('of many at once with one key one gives, by two servers', async () => {
  const other = await startTestApp({ database: api.database });
  const call = { key, body: BONUS, headers: { 'idempotency-key': 'once' } };
  const answers = await Promise.all(
    Array.from({ length: 10 }, () =>
      [api, other].map((server) => server.call('POST', '/api/v1/users/hasty/grants', call)),
    ).flat(),
  );
  for (const { status, body } of answers) expect([status, body]).toEqual([200, answers[0]?.body]);
  expect(await api.onRecord('hasty')).toEqual({ balance: 100, entries: 1 });
  await other.close();
});

test('a balance past 2^53 - 1 is 409 and gives nothing', async () => {
  await api.database.sql('ALTER TABLE credit_ledger DISABLE TRIGGER credit_ledger_append_only');
  await give('rich', { ...BONUS, amount: 1e12 });
  const most = Number.MAX_SAFE_INTEGER;
  await api.database.sql(
    `UPDATE credit_ledger SET delta = $1, balance = $1, state = jsonb_set(state, '{lots,0,free}', to_jsonb($1::bigint))
      WHERE user_id = 'rich'`,
    [most],
  );
  const { status, body } = await give('rich', { ...BONUS, amount: 1 });
  expect([status, body.error.code]).toEqual([409, 'balance_limit']);
  expect(await api.onRecord('rich')).toEqual({ balance: most, entries: 1 });
});

test('what is given as a bonus is spent before what was bought', async () => {
  await give('burn', { ...BONUS, amount: 10, category: 'purchase' });
  await give('burn', { ...BONUS, amount: 5 });
  await api.call('POST', '/api/v1/users/burn/credits/debit', { key, body: { delta: 7 } });
  const { body } = await api.call('GET', '/api/v1/users/burn/credits/entries', { key });
  expect(body.data[0].draws).toEqual([
    { lot: 2, amount: 5 },
    { lot: 1, amount: 2 },
  ]);
});

test('what is given expires when it was said', async () => {
  const soon = new Date(Date.now() + 2_000).toISOString();
  expect((await give('fleeting', { ...BONUS, expires_at: soon })).status).toBe(200);
  const balance = async () =>
    (await api.call('GET', '/api/v1/users/fleeting/credits', { key })).body.data.balance;
  await expect.poll(balance, { timeout: 8_000 }).toBe(0);
});

test('whatever is sent, only a 200 gives, exactly what it says, and the ledger stays sound', async () => {
  const text = fc.string({ unit: 'binary', maxLength: 10 });
  const value = fc.oneof(fc.integer({ min: -2, max: 9 }), text, fc.jsonValue());
  const name = fc.oneof(fc.constantFrom('a', 'toString', '__proto__', '10'), text);
  const body = fc.record(
    {
      amount: fc.oneof(fc.integer({ min: 1, max: 5 }), value),
      category: fc.oneof(fc.constantFrom('bonus', 'included'), value),
      reason: fc.oneof(fc.constant('r'), value),
      expires_at: fc.oneof(fc.date().map(String), fc.constant('2099-01-01T00:00:00Z'), value),
      ref: value,
      metadata: fc.oneof(fc.dictionary(name, fc.oneof(text, value)), value),
    },
    { requiredKeys: ['amount', 'category', 'reason'] },
  );
  const statuses = new Set<number>();
  let expected = { balance: 0, entries: 0 };
  await fc.assert(
    fc.asyncProperty(body, async (sent) => {
      const answer = await give('fuzz', sent);
      statuses.add(answer.status);
      expect([200, 400]).toContain(answer.status);
      if (answer.status === 200) {
        const { delta } = answer.body.data.entry;
        expected = { balance: expected.balance + delta, entries: expected.entries + 1 };
      }
      expect(await api.onRecord('fuzz')).toEqual(expected);
    }),
    // Not every run of chance would hold one that is right.
    { numRuns: 300, examples: [[{ amount: 1, category: 'bonus', reason: 'r' }]] },
  );
  expect([...statuses].sort()).toEqual([200, 400]);
});
