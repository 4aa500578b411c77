import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectEnvelope, startTestApp, type TestApp } from '../support/app.ts';
import { rawRequest, readAnswers } from './raw.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
});
afterAll(() => api.close());

const DEBIT = '/api/v1/credits/debit';
const debit = (userId: string, key: string, body: unknown = { delta: 10 }, url = DEBIT) =>
  api.call('POST', url, { as: userId, body, headers: { 'idempotency-key': key } });

test('a repeated request gets the first answer again, marked, and spends nothing', async () => {
  await api.give('ada', 100);
  const first = await debit('ada', 'job-1');
  await debit('ada', 'job-2');
  const again = await debit('ada', 'job-1');
  expect(first.headers).not.toHaveProperty('idempotency-replayed');
  expect(again.headers['idempotency-replayed']).toBe('true');
  expect([again.status, again.body]).toEqual([200, first.body]);
  expect(again.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
  expect(await api.onRecord('ada')).toEqual({ balance: 80, entries: 3 });
});

test('of many at once with one key one spends, and all hear the same', async () => {
  await api.give('hasty', 100);
  const answers = await Promise.all(Array.from({ length: 20 }, () => debit('hasty', 'once')));
  const fresh = answers.filter(({ headers }) => headers['idempotency-replayed'] !== 'true');
  expect(fresh).toHaveLength(1);
  for (const { status, body } of answers) expect([status, body]).toEqual([200, fresh[0]?.body]);
  expect(await api.onRecord('hasty')).toEqual({ balance: 90, entries: 2 });
});

test.each([
  ['another amount', { delta: 11 }, DEBIT],
  ['another reason', { delta: 10, reason: 'another' }, DEBIT],
  ['a reference', { units: 10, ref: 'job' }, '/api/v1/use-credits'],
])('the same key with %s is 409 and changes nothing', async (what, body, url) => {
  const user = `conflict-${what}`;
  await api.give(user, 100);
  await debit(user, 'k');
  const { status, body: answer } = await debit(user, 'k', body, url);
  expect([status, answer.error]).toEqual([
    409,
    {
      code: 'idempotency_conflict',
      message: 'This Idempotency-Key was used for another request.',
    },
  ]);
  expect(await api.onRecord(user)).toEqual({ balance: 90, entries: 2 });
});

describe('the same key for a service with', () => {
  const OPEN = { id: 'h', units: 10, expires_in: 60 };
  /** What was asked for, and the same with one thing changed. */
  test.each<readonly [what: string, path: string, body: object, changed: string, other: object]>([
    ['a hold that lives longer', '/holds', OPEN, '/holds', { ...OPEN, expires_in: 61 }],
    ['a hold of another id', '/holds', OPEN, '/holds', { ...OPEN, id: 'i' }],
    ['a hold of more', '/holds', OPEN, '/holds', { ...OPEN, units: 11 }],
    ['a capture of another hold', '/holds/a/capture', {}, '/holds/b/capture', {}],
    ['a capture of less', '/holds/a/capture', {}, '/holds/a/capture', { units: 4 }],
    [
      'a capture that may take more',
      '/holds/a/capture',
      { units: 4 },
      '/holds/a/capture',
      { units: 4, allow_more: true },
    ],
    ['a release of another hold', '/holds/a/release', {}, '/holds/b/release', {}],
    ['a reversal of another debit', '/reversals', { seq: 2 }, '/reversals', { seq: 3 }],
    ['a reversal of less', '/reversals', { seq: 2, units: 2 }, '/reversals', { seq: 2, units: 1 }],
    ['a release instead of a capture', '/holds/a/capture', {}, '/holds/a/release', {}],
  ])('%s is 409 and changes nothing', async (what, path, body, changed, other) => {
    const key = await api.makeKey('credits:spend', 'credits:grant');
    const user = `/api/v1/users/${encodeURIComponent(what)}`;
    const post = (at: string, sent: object, headers = {}) =>
      api.call('POST', `${user}${at}`, { key, body: sent, headers });
    await api.give(what, 100);
    for (const units of [5, 5]) await post('/use-credits', { units });
    for (const id of ['a', 'b']) await post('/holds', { ...OPEN, id });
    const once = { 'idempotency-key': 'k' };
    const first = await post(path, body, once);
    expect(first.status).toBe(200);
    const before = await api.onRecord(what);
    const conflict = await post(changed, other, once);
    expect([conflict.status, conflict.body.error.code]).toEqual([409, 'idempotency_conflict']);
    const again = await post(path, body, once);
    expect([again.body, again.headers['idempotency-replayed']]).toEqual([first.body, 'true']);
    expect(await api.onRecord(what)).toEqual(before);
  });
});

test('a 402 does not use up its key: it works after a top-up', async () => {
  expect((await debit('late', 'k')).status).toBe(402);
  await api.give('late', 10);
  const paid = await debit('late', 'k');
  expect(paid.status).toBe(200);
  expect(paid.headers).not.toHaveProperty('idempotency-replayed');
  expect(await api.onRecord('late')).toEqual({ balance: 0, entries: 2 });
  expect((await debit('late', 'k')).headers['idempotency-replayed']).toBe('true');
});

test('the same key of two users is two keys', async () => {
  for (const user of ['one', 'two']) {
    await api.give(user, 10);
    const { status, headers } = await debit(user, 'shared');
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty('idempotency-replayed');
    expect(await api.onRecord(user)).toEqual({ balance: 0, entries: 2 });
  }
});

test('without a key every request spends', async () => {
  await api.give('plain', 10);
  for (let i = 0; i < 2; i += 1) {
    await api.call('POST', DEBIT, { as: 'plain', body: { delta: 1 } });
  }
  expect(await api.onRecord('plain')).toEqual({ balance: 8, entries: 3 });
});

describe('a key that is no key', () => {
  test.each([
    ['empty', '', 'must not be empty'],
    ['256 characters', 'k'.repeat(256), 'must have at most 255 characters'],
    ['not ASCII', 'clé', 'must hold only printable ASCII characters'],
    ['a tab', 'a\tb', 'must hold only printable ASCII characters'],
  ])('(%s) is refused and nothing is spent', async (what, key, complaint) => {
    const user = `bad-${what}`;
    await api.give(user, 10);
    const { status, body } = await debit(user, key);
    expect([status, body.error]).toEqual([
      400,
      {
        code: 'invalid_request',
        message: `The header \`idempotency-key\` ${complaint}.`,
        field: 'idempotency-key',
      },
    ]);
    expect(await api.onRecord(user)).toEqual({ balance: 10, entries: 1 });
  });

  test('255 printable characters are a key', async () => {
    await api.give('long', 100);
    const key = `!~ "{}${'k'.repeat(249)}`;
    expect((await debit('long', key)).status).toBe(200);
    expect((await debit('long', key)).headers['idempotency-replayed']).toBe('true');
  });

  test('two headers are refused, also when they say the same', async () => {
    await api.give('twice', 10);
    const body = '{"delta":1}';
    const headers = [
      'Idempotency-Key: k',
      'idempotency-key: k',
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      'Connection: close',
    ];
    const [answer] = readAnswers(
      await api.exchange(await rawRequest(api, 'twice', { headers, body })),
    );
    expect(answer?.status).toBe(400);
    expect(answer?.body).toContain('Send one Idempotency-Key header, not several.');
    expectEnvelope(JSON.parse(answer?.body ?? ''), answer?.headers['x-request-id']);
    expect(await api.onRecord('twice')).toEqual({ balance: 10, entries: 1 });
  });
});
