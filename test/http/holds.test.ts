import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
let key: string;
beforeAll(async () => {
  api = await startTestApp({ env: { MAX_OPEN_HOLDS: '5' } });
  key = await api.makeKey('credits:spend', 'credits:read', 'credits:grant');
});
afterAll(() => api.close());

const post = (user: string, path: string, body: object = {}, headers = {}) =>
  api.call('POST', `/api/v1/users/${user}${path}`, { key, body, headers });
const get = (user: string, path: string) =>
  api.call('GET', `/api/v1/users/${user}${path}`, { key });
const open = (user: string, body: object = {}) =>
  post(user, '/holds', { units: 10, expires_in: 600, ...body });
const codeOf = ({ status, body }: Awaited<ReturnType<typeof post>>) => [status, body.error?.code];

describe('a hold', () => {
  test('is opened, shown, captured in part, and then shown as it ended', async () => {
    await api.give('ada', 100);
    const opened = await open('ada', {
      id: 'job-1',
      reason: 'render',
      ref: 'r',
      metadata: { a: 'b' },
    });
    expect(opened.status).toBe(200);
    expect(opened.body.data).toMatchObject({
      ...{ balance: 100, available: 90, held: 10 },
      entry: { kind: 'hold', delta: 0, reason: 'render', ref: 'r' },
      hold: { id: 'job-1', units: 10 },
    });
    const expires = Date.parse(opened.body.data.hold.expires_at);
    expect(expires - Date.parse(opened.body.data.entry.created_at)).toBe(600_000);
    expect((await get('ada', '/holds')).body.data).toEqual([opened.body.data.hold]);
    expect((await get('ada', '/holds/job-1')).body.data).toMatchObject({
      ...{ status: 'open', units: 10, captured: 0, ended_at: null, metadata: { a: 'b' } },
    });
    const captured = await post('ada', '/holds/job-1/capture', { units: 4 });
    expect(captured.body.data).toMatchObject({
      ...{ balance: 96, available: 96, held: 0 },
      entry: { kind: 'capture', delta: -4 },
      hold: { id: 'job-1', captured: 4 },
    });
    expect((await get('ada', '/holds')).body.data).toEqual([]);
    expect((await get('ada', '/holds/job-1')).body.data).toMatchObject({
      ...{ status: 'captured', units: 10, captured: 4 },
      ended_at: captured.body.data.entry.created_at,
    });
  });

  test('is listed with the others, the oldest first, however soon they end', async () => {
    await api.give('ann', 100);
    for (const [id, seconds] of Object.entries({ b: 900, c: 60, a: 600 })) {
      await open('ann', { id, expires_in: seconds });
    }
    const { data } = (await get('ann', '/holds')).body;
    expect(data.map(({ id }: { id: string }) => id)).toEqual(['b', 'c', 'a']);
  });

  test('is shown by its id, with what was said of it and when', async () => {
    await api.give('amy', 100);
    const note = { reason: 'render', ref: 'r', metadata: { a: 'b' } };
    const { entry, hold } = (await open('amy', { id: 'job 1/2', ...note })).body.data;
    expect((await get('amy', '/holds/job%201%2F2')).body).toEqual({
      data: {
        ...{ ...hold, ...note, id: 'job 1/2', units: 10 },
        ...{ status: 'open', captured: 0, created_at: entry.created_at, ended_at: null },
      },
    });
  });

  test('that is released costs nothing', async () => {
    await api.give('bob', 20);
    const { id } = (await open('bob')).body.data.hold;
    const released = await post('bob', `/holds/${id}/release`);
    expect(released.body.data).toMatchObject({ balance: 20, held: 0, hold: { id, captured: 0 } });
    expect((await get('bob', `/holds/${id}`)).body.data).toMatchObject({ status: 'released' });
  });

  test('whose time is over has ended at that moment, whenever that was written down', async () => {
    await api.give('abe', 20);
    const { expires_at } = (await open('abe', { id: 'h', expires_in: 1 })).body.data.hold;
    const ended = { status: 'expired', captured: 0, expires_at, ended_at: expires_at };
    const shown = async () => (await get('abe', '/holds/h')).body.data;
    await expect.poll(async () => (await shown()).status, { timeout: 5_000 }).toBe('expired');
    expect(await shown()).toMatchObject(ended);
    expect(await api.onRecord('abe')).toMatchObject({ entries: 2 });
    await post('abe', '/use-credits', { units: 1 });
    expect(await api.onRecord('abe')).toMatchObject({ entries: 4 });
    expect(await shown()).toMatchObject(ended);
  });

  test('of more than is available is a 402, as a debit is', async () => {
    await api.give('cid', 5);
    const { status, body } = await open('cid');
    expect([status, body.error]).toMatchObject([
      402,
      { code: 'insufficient_credits', available: 5, required: 10, shortfall: 5 },
    ]);
  });

  test('that does not go is told why, each by a code of its own', async () => {
    await api.give('dan', 100);
    for (const id of ['a', 'b', 'c']) await open('dan', { id });
    await post('dan', '/holds/a/capture');
    await post('dan', '/holds/b/release');
    const tries = [
      [post('dan', '/holds/a/release'), 409, 'hold_captured'],
      [post('dan', '/holds/a/capture'), 409, 'hold_captured'],
      [post('dan', '/holds/b/capture'), 409, 'hold_released'],
      [post('dan', '/holds/c/capture', { units: 11 }), 409, 'capture_exceeds_hold'],
      [
        post('dan', '/holds/c/capture', { units: 200, allow_more: true }),
        402,
        'insufficient_credits',
      ],
      [post('dan', '/holds/c/capture', { units: 0 }), 400, 'invalid_request'],
      [post('dan', '/holds/unheard/capture'), 404, 'hold_not_found'],
      [get('dan', '/holds/unheard'), 404, 'hold_not_found'],
      [open('dan', { id: 'c' }), 409, 'hold_exists'],
      [open('dan', { id: 'b' }), 409, 'hold_exists'],
    ] as const;
    for (const [call, status, code] of tries) expect(codeOf(await call)).toEqual([status, code]);
  });

  test('whose capture exceeds it and the free credits is told what is missing beyond it', async () => {
    await api.give('eli', 20);
    await open('eli', { id: 'h', units: 15 });
    const ask = { units: 100, allow_more: true };
    const { status, body } = await post('eli', '/holds/h/capture', ask);
    expect([status, body.error]).toMatchObject([
      402,
      { balance: 20, available: 5, required: 85, shortfall: 80 },
    ]);
  });

  test('of another user does not exist', async () => {
    await api.give('eve', 20);
    await open('eve', { id: 'secret' });
    expect(codeOf(await get('mallory', '/holds/secret'))).toEqual([404, 'hold_not_found']);
    expect(codeOf(await post('mallory', '/holds/secret/capture'))).toEqual([404, 'hold_not_found']);
    expect((await get('eve', '/holds')).body.data).toHaveLength(1);
  });

  test('is one of a bounded number', async () => {
    await api.give('fay', 100);
    for (let i = 0; i < 5; i++) expect((await open('fay', { units: 1 })).status).toBe(200);
    const { status, body } = await open('fay', { units: 1 });
    expect([status, body.error]).toMatchObject([409, { code: 'too_many_holds', limit: 5 }]);
  });

  test('is opened once by its Idempotency-Key', async () => {
    await api.give('gus', 100);
    const ask = { units: 7, expires_in: 60 };
    const [first, second] = await Promise.all(
      [1, 2].map(() => post('gus', '/holds', ask, { 'idempotency-key': 'k' })),
    );
    expect(second?.body).toEqual(first?.body);
    expect((await get('gus', '/holds')).body.data).toHaveLength(1);
  });

  test.each([
    [{ expires_in: 0 }],
    [{ expires_in: -1 }],
    [{ expires_in: 1.5 }],
    [{ expires_in: '60' }],
    [{ expires_in: 1e9 }],
    [{ expires_in: undefined }],
    [{ units: 0 }],
    [{ units: '3' }],
    [{ units: undefined }],
    [{ id: '' }],
    [{ id: 'x'.repeat(256) }],
    [{ id: 'a\u0000b' }],
    [{ id: 'a\nb' }],
    [{ id: 'a\tb' }],
    [{ id: ' a' }],
    [{ id: 'a\u00a0' }],
    [{ id: '.' }],
    [{ id: '..' }],
    [{ metadata: { a: { b: 1 } } }],
    [{ metadata: { a: 'x'.repeat(100_000) } }],
    [{ surprise: 1 }],
  ])('asked for with %j is refused, and nothing is held', async (body) => {
    await api.give('hal', 1);
    const { status } = await open('hal', body);
    expect(status).toBeOneOf([400, 413]);
    expect((await get('hal', '/credits')).body.data.held).toBe(0);
  });
});

describe('a reversal', () => {
  test('gives back a debit in parts, and no more', async () => {
    await api.give('ida', 10);
    const { seq } = (await post('ida', '/use-credits', { units: 6 })).body.data.entry;
    const back = await post('ida', '/reversals', { seq, units: 4, reason: 'failed job' });
    expect(back.body.data).toMatchObject({
      balance: 8,
      entry: { kind: 'reversal', delta: 4, reason: 'failed job' },
    });
    const { status, body } = await post('ida', '/reversals', { seq, units: 3 });
    expect([status, body.error]).toMatchObject([
      409,
      { code: 'reversal_exceeds_entry', reversible: 2 },
    ]);
    expect((await post('ida', '/reversals', { seq })).body.data.balance).toBe(10);
    expect(codeOf(await post('ida', '/reversals', { seq: 1 }))).toEqual([409, 'not_reversible']);
    expect(codeOf(await post('ida', '/reversals', { seq: 99 }))).toEqual([404, 'entry_not_found']);
    const { data } = (await get('ida', '/credits/entries')).body;
    expect(data[0]).toMatchObject({ kind: 'reversal', reverses_seq: seq });
  });

  test('or a release to a lot that has expired tells the balance before that expires, too', async () => {
    const balance = async () => (await get('jon', '/credits')).body.data.balance;
    const soon = { category: 'bonus', expires_at: new Date(Date.now() + 2_000).toISOString() };
    await post(
      'jon',
      '/grants',
      { ...soon, amount: 11, reason: 'Trial' },
      { 'idempotency-key': 'j' },
    );
    const { seq } = (await post('jon', '/use-credits', { units: 4 })).body.data.entry;
    await open('jon', { id: 'h', units: 6 });
    await expect.poll(balance, { timeout: 5_000 }).toBe(6);
    const back = await post('jon', '/reversals', { seq });
    expect(back.body.data).toMatchObject({ balance: 10, held: 6, entry: { delta: 4 } });
    expect(await balance()).toBe(6);
    const released = await post('jon', '/holds/h/release');
    expect(released.body.data).toMatchObject({ balance: 6, held: 0, entry: { delta: 0 } });
    expect(await balance()).toBe(0);
  });
});
