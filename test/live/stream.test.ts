import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FRONT_END, startTestApp, type TestApp } from '../support/app.ts';
import { listen, listenAs, OWN, streamOf } from './client.ts';

const HOUR = 3_600_000;

/** It hears only of its own commits: its tick is too long to be waited for. */
let api: TestApp;
let key: string;
beforeAll(async () => {
  api = await startTestApp({ live: { everyMs: HOUR } });
  key = await api.makeKey('admin');
});
afterAll(() => api.close());

const balanceOf = async (userId: string) =>
  (await api.call('GET', `/api/v1/users/${userId}/credits`, { key })).body.data;

describe('a stream', () => {
  test('begins with what GET …/credits says, and may be neither kept nor collected on the way', async () => {
    await api.give('ada', 10);
    const own = await listenAs(api, 'ada', { origin: FRONT_END });
    expect([own.status, Object.fromEntries(own.headers)]).toMatchObject([
      200,
      {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
        'access-control-allow-origin': FRONT_END,
        'x-request-id': expect.any(String),
      },
    ]);
    const expected = { id: 1, data: await balanceOf('ada') };
    expect(await own.next()).toEqual(expected);
    const twin = await listen(api.url, streamOf('ada'), key);
    expect(await twin.next()).toEqual(expected);
  });

  test('of a user whom nobody knows is 0, and leaves no trace', async () => {
    const stream = await listenAs(api, 'nobody');
    expect(await stream.next()).toEqual({
      id: 0,
      data: { balance: 0, available: 0, held: 0, seq: 0, lots: [] },
    });
    const sql = `SELECT FROM stripe_customers WHERE user_id = 'nobody'`;
    expect(await api.database.sql(sql)).toEqual([]);
    await api.give('nobody', 3);
    expect(await stream.next()).toMatchObject({ id: 1, data: { balance: 3 } });
  });

  test('tells at once of whatever this server commits', async () => {
    const post = async (path: string, body: object) => {
      const call = { key, body, headers: { 'idempotency-key': `${path} ${JSON.stringify(body)}` } };
      const { status, text } = await api.call('POST', `/api/v1/users/bob${path}`, call);
      expect(status, text).toBe(200);
    };
    const debitBatch = (user_id: string, units: number) =>
      api.call('POST', '/api/v1/debits/batch', { key, body: { items: [{ user_id, units }] } });
    const stream = await listenAs(api, 'bob');
    await stream.next();
    const steps: readonly (readonly [act: () => Promise<unknown>, told: object])[] = [
      [() => api.give('bob', 100), { balance: 100, available: 100, held: 0 }],
      [() => post('/credits/debit', { delta: 10 }), { balance: 90, available: 90, held: 0 }],
      [() => post('/reversals', { seq: 2, units: 4 }), { balance: 94, available: 94, held: 0 }],
      [
        () => post('/holds', { units: 30, id: 'a', expires_in: 600 }),
        { balance: 94, available: 64, held: 30 },
      ],
      [
        () => post('/holds', { units: 5, id: 'b', expires_in: 600 }),
        { balance: 94, available: 59, held: 35 },
      ],
      [() => post('/holds/a/capture', { units: 20 }), { balance: 74, available: 69, held: 5 }],
      [() => post('/holds/b/release', {}), { balance: 74, available: 74, held: 0 }],
      [() => debitBatch('bob', 4), { balance: 70, available: 70, held: 0 }],
    ];
    for (const [act, told] of steps) {
      await act();
      const event = await stream.next();
      expect(event.data).toMatchObject(told);
      expect(event).toEqual({ id: event.data.seq, data: await balanceOf('bob') });
    }
  });

  test('tells of what the sweep writes down', async () => {
    const body = { amount: 7, category: 'bonus', reason: 'r' };
    const soon = new Date(Date.now() + 1_500).toISOString();
    const headers = { 'idempotency-key': 'gift' };
    await api.give('eve', 10);
    await api.call('POST', '/api/v1/users/eve/grants', {
      ...{ key, headers },
      body: { ...body, expires_at: soon },
    });
    const stream = await listenAs(api, 'eve');
    expect(await stream.next()).toMatchObject({ id: 2, data: { balance: 17 } });
    await expect.poll(() => api.sweep(), { timeout: 10_000 }).toBe(1);
    expect(await stream.next()).toEqual({ id: 3, data: await balanceOf('eve') });
    expect(await balanceOf('eve')).toMatchObject({ balance: 10 });
  });

  test('hears nothing of others, and of many changes at once only the newest', async () => {
    await api.give('kim', 1_000);
    const stream = await listenAs(api, 'kim');
    await stream.next();
    const spend = (as: string) =>
      api.call('POST', '/api/v1/credits/debit', { as, body: { delta: 1 } });
    await api.give('lea', 1_000);
    await Promise.all(Array.from({ length: 300 }, () => [spend('kim'), spend('lea')]).flat());
    let events = 1;
    for (let id = 0; id < 301; events += 1) {
      const event = await stream.next();
      expect(event).toMatchObject({ data: { balance: 1_001 - event.id } });
      id = event.id;
    }
    expect(events).toBeLessThan(200);
  });
});

describe('Last-Event-ID', () => {
  test('the newest hears only of later entries; after any other the balance comes at once', async () => {
    await api.give('max', 10);
    await api.give('max', 10);
    const same = await listenAs(api, 'max', { 'last-event-id': '2' });
    expect(await same.comment()).toBe(': unchanged');
    const [older, unknown] = [
      await listenAs(api, 'max', { 'last-event-id': '1' }),
      await listenAs(api, 'max', { 'last-event-id': '3' }),
    ];
    for (const one of [older, unknown]) {
      expect(await one.next()).toMatchObject({ id: 2, data: { balance: 20 } });
    }
    await api.give('max', 1);
    for (const one of [same, older, unknown]) {
      expect(await one.next()).toMatchObject({ id: 3, data: { balance: 21 } });
    }
  });

  test.each(['', '-1', '1.0', 'abc', '1, 2', '99999999999999999'])(
    '%j is a 400',
    async (lastId) => {
      const headers = { 'last-event-id': lastId };
      const { status, body } = await api.call('GET', OWN, { as: 'max', headers });
      expect([status, body.error]).toEqual([
        400,
        {
          code: 'invalid_request',
          message: expect.stringMatching(/^The header `last-event-id` must be (a whole|at)/),
          field: 'last-event-id',
        },
      ]);
    },
  );
});

test('who may not read gets an ordinary error', async () => {
  const [spender, token] = [await api.makeKey('credits:spend'), await api.tokenOf('ada')];
  const codes = async (path: string, sent: string) => {
    const { status, rest } = await listen(api.url, path, sent);
    return [status, JSON.parse(await rest()).error.code];
  };
  expect(await codes(OWN, 'x')).toEqual([401, 'unauthorized']);
  expect(await codes(OWN, key)).toEqual([403, 'forbidden']);
  expect(await codes(streamOf('ada'), spender)).toEqual([403, 'forbidden']);
  expect(await codes(streamOf('ada'), token)).toEqual([403, 'forbidden']);
  expect((await api.call('HEAD', OWN, { as: 'ada' })).status).toBe(405);
});

test('a page of the front end may ask for it, and say what it knows', async () => {
  const asked = 'authorization,last-event-id';
  const { headers } = await fetch(api.url + OWN, {
    method: 'OPTIONS',
    headers: {
      origin: FRONT_END,
      'access-control-request-method': 'GET',
      'access-control-request-headers': asked,
    },
  });
  expect(headers.get('access-control-allow-origin')).toBe(FRONT_END);
  expect(headers.get('access-control-allow-headers')).toBe(asked);
});

test('a token in the address is none', async () => {
  const { status } = await fetch(`${api.url}${OWN}?access_token=${await api.tokenOf('ada')}`);
  expect(status).toBe(401);
});

describe('too many streams', () => {
  test('of one account for one caller are a 429, and room comes back', async () => {
    const open = () => listenAs(api, 'tim');
    const streams = await Promise.all(Array.from({ length: 10 }, open));
    const refused = await open();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10']);
    expect(JSON.parse(await refused.rest()).error).toEqual({
      code: 'rate_limited',
      message: 'There are 10 open streams of this account already; end one, or wait.',
    });
    // A service key has its own, and so has everybody else.
    expect((await listen(api.url, streamOf('tim'), key)).status).toBe(200);
    expect((await listenAs(api, 'tom')).status).toBe(200);
    streams[0]?.leave();
    await expect.poll(async () => (await open()).status).toBe(200);
  });

  test('of a process are a 503, and room comes back', async () => {
    const small = await startTestApp({ database: api.database, env: { STREAM_LIMIT: '2' } });
    const streams = [await listenAs(small, 'a'), await listenAs(small, 'b')];
    const refused = await listenAs(small, 'c');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10']);
    expect(JSON.parse(await refused.rest()).error).toEqual({
      code: 'overloaded',
      message: 'This server has as many open streams as it may; try again.',
    });
    streams[0]?.leave();
    await expect.poll(async () => (await listenAs(small, 'c')).status).toBe(200);
    await small.close();
  });
});
