import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { holdAccount } from '../support/database.ts';

let api: TestApp;
let key: string;
beforeAll(async () => {
  const prices = { render: 10 };
  api = await startTestApp({ env: { CREDITS_PER_OPERATION_JSON: JSON.stringify(prices) } });
  key = await api.makeKey('credits:spend', 'credits:read');
});
afterAll(() => api.close());

const batch = (items: readonly object[], who: object = { key }) =>
  api.call('POST', '/api/v1/debits/batch', { ...who, body: { items } });

describe('a batch of debits', () => {
  test('answers each item in its place, with the error it would have met alone', async () => {
    await api.give('dan', 15);
    await api.give('eve', 15);
    const { status, body } = await batch([
      { user_id: 'dan', units: 10, idempotency_key: 'one' },
      { user_id: 'eve', operation: 'render' },
      { user_id: 'dan', units: 10 },
      { user_id: 'eve', operation: 'unheard' },
      { user_id: 'nobody', units: 1 },
      { user_id: 'dan', units: 10, idempotency_key: 'one' },
      { user_id: 'dan', units: 11, idempotency_key: 'one' },
    ]);
    expect(status).toBe(200);
    expect(body.data).toMatchObject([
      { ok: true, replayed: false, data: { balance: 5 } },
      { ok: true, data: { balance: 5, entry: { delta: -10 } } },
      { ok: false, error: { code: 'insufficient_credits', required: 10, available: 5 } },
      { ok: false, error: { code: 'unknown_operation' } },
      { ok: false, error: { code: 'insufficient_credits', available: 0 } },
      { ok: true, replayed: true, data: { balance: 5 } },
      { ok: false, error: { code: 'idempotency_conflict' } },
    ]);
  });

  test('takes a thousand items, of one user too, and no more', async () => {
    await api.give('fay', 600);
    const items = Array.from({ length: 1_000 }, (_, i) => ({
      ...{ user_id: 'fay', units: 1, reason: 'token', idempotency_key: String(i) },
    }));
    const { body } = await batch(items);
    expect(body.data.filter(({ ok }: { ok: boolean }) => ok)).toHaveLength(600);
    expect((await batch([...items, ...items.slice(0, 1)])).status).toBe(400);
    expect((await batch([])).status).toBe(400);
    const again = await batch(items.slice(0, 600));
    expect(again.body.data.every((one: { replayed: boolean }) => one.replayed)).toBe(true);
  });

  test('refuses an Idempotency-Key for all of it, under which a repeat would spend twice', async () => {
    await api.give('gil', 15);
    const items = [{ user_id: 'gil', units: 10 }];
    const headers = { 'idempotency-key': 'batch-1' };
    const { status, body } = await batch(items, { key, headers });
    expect([status, body.error]).toEqual([
      400,
      {
        code: 'invalid_request',
        message: 'A batch has no Idempotency-Key: give each item its own `idempotency_key`.',
        field: 'idempotency-key',
      },
    ]);
    expect(await api.onRecord('gil')).toEqual({ balance: 15, entries: 1 });
  });

  test('is for service keys that may spend', async () => {
    const items = [{ user_id: 'fay', units: 1 }];
    expect((await batch(items, { as: 'fay' })).status).toBe(403);
    expect((await batch(items, { key: await api.makeKey('credits:read') })).status).toBe(403);
  });
});

describe('what of a batch is not well-formed', () => {
  test.each([
    [{ user_id: 'hal', units: 0 }, 'items.1.units', 'must be at least 1'],
    [{ user_id: '', units: 1 }, 'items.1.user_id', 'must not be empty'],
    [{ user_id: ' ', units: 1 }, 'items.1.user_id', /edge spaces/],
    [{ units: 1 }, 'items.1.user_id', 'is missing'],
    [{ user_id: 'hal', units: 1, extra: 1 }, 'items.1.extra', /^is not known here/],
    [{ user_id: 'hal', units: 1, idempotency_key: 'clé' }, 'items.1.idempotency_key', /ASCII/],
  ])('is refused with all of it, and the item is named: %j', async (item, field, complaint) => {
    await api.give('hal', 10);
    const before = await api.onRecord('hal');
    const { status, body } = await batch([{ user_id: 'hal', units: 1 }, item]);
    expect([status, body.error.code, body.error.field]).toEqual([400, 'invalid_request', field]);
    expect(body.error.message.replace(`The field \`${field}\` `, '')).toMatch(complaint);
    expect(await api.onRecord('hal')).toEqual(before);
  });

  test.each([
    [{ units: 1, operation: 'render' }, 'invalid_request'],
    [{}, 'invalid_request'],
    [{ units: 1, quantity: 2 }, 'invalid_request'],
    [{ operation: 'unheard' }, 'unknown_operation'],
  ])('in what only the whole item tells is refused alone: %j', async (item, code) => {
    await api.give('ian', 10);
    const { status, body } = await batch([
      { user_id: 'ian', ...item },
      { user_id: 'ian', units: 1 },
    ]);
    expect([status, body.data]).toMatchObject([
      200,
      [{ ok: false, error: { code, message: expect.stringMatching(/[.]$/) } }, { ok: true }],
    ]);
  });
});

describe('however much a batch asks for', () => {
  const RETRYABLE = /^(overloaded|database_unavailable)$/;
  const keyed = (users: readonly string[]) =>
    users.map((user_id, i) => ({ user_id, units: 1, idempotency_key: String(i) }));

  test('an account has room for other callers', async () => {
    await api.give('kim', 4_000);
    const items = Array<object>(1_000).fill({ user_id: 'kim', units: 1 });
    const answers = await Promise.all([1, 2, 3].map(() => batch(items)));
    const outcomes = answers.flatMap(({ body }) => body.data as { ok: boolean }[]);
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(3_000);
    expect(await api.onRecord('kim')).toEqual({ balance: 1_000, entries: 3_001 });
  });

  test('its items of one user are carried out in their order', async () => {
    await api.give('leo', 1_000);
    const items = Array.from({ length: 450 }, (_, i) => ({ user_id: 'leo', units: 1 + (i % 3) }));
    const { body } = await batch(items);
    const seqs = body.data.map((one: { data: { entry: { seq: number } } }) => one.data.entry.seq);
    expect(seqs).toEqual(items.map((_, i) => i + 2));
  });

  test('what found no room is told so by item, and can be sent again as it is', async () => {
    for (const user of ['held', 'free', 'last']) await api.give(user, 300);
    const items = keyed(['held', ...Array<string>(199).fill('free'), 'last']);
    const held = await holdAccount(api.database, 'held');
    const { status, body } = await batch(items);
    await held.release();
    expect(status).toBe(200);
    const [blocked, ...others] = body.data;
    expect([blocked.ok, blocked.error.code]).toEqual([false, expect.stringMatching(RETRYABLE)]);
    const last = others.pop();
    expect([last.ok, last.error.code]).toEqual([false, 'overloaded']);
    expect(others.every(({ ok }: { ok: boolean }) => ok)).toBe(true);
    const again = await batch(items);
    const replayed = again.body.data.map((one: { replayed: boolean }) => one.replayed);
    expect(replayed).toEqual([false, ...Array<boolean>(199).fill(true), false]);
    expect(await api.onRecord('free')).toEqual({ balance: 101, entries: 200 });
  });

  test('when none of it could be carried out, all of it is a 503', async () => {
    await api.give('mia', 10);
    const held = await holdAccount(api.database, 'mia');
    const { status, headers, body } = await batch(keyed(['mia', 'mia', 'nobody']));
    await held.release();
    expect([status, body.error.code]).toEqual([503, expect.stringMatching(RETRYABLE)]);
    expect(headers['retry-after']).toBe('1');
    expect(await api.onRecord('mia')).toEqual({ balance: 10, entries: 1 });
  });
});
