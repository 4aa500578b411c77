import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
});
afterAll(() => api.close());

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const JSON_TYPE = 'application/json; charset=utf-8';

describe('health', () => {
  test('GET /livez says that the process runs, to anyone', async () => {
    const { status, body } = await api.call('GET', '/livez');
    expect([status, body]).toEqual([200, { data: { status: 'ok' } }]);
  });

  test('GET /healthz says that the database answers, to anyone', async () => {
    const { status, body } = await api.call('GET', '/healthz');
    expect(status).toBe(200);
    expect(body).toEqual({
      data: { status: 'ok', database: 'ok', version: expect.stringMatching(/^\d+\.\d+\.\d+$/) },
    });
  });
});

describe('the signed-in user', () => {
  test.each(['/api/v1/me/hello', '/api/v1/me/credits'])(
    'GET %s takes no query parameters, and says so',
    async (url) => {
      const { status, body } = await api.call('GET', `${url}?user=ada`, { as: 'grace' });
      expect([status, body.error]).toEqual([
        400,
        {
          code: 'invalid_request',
          message: 'The query parameter `user` is not known here; none is.',
          field: 'user',
        },
      ]);
    },
  );

  test('GET /api/v1/me/hello names the user as a string', async () => {
    const { status, body, headers } = await api.call('GET', '/api/v1/me/hello', { as: '1234' });
    expect([status, body]).toEqual([200, { data: { user: '1234' } }]);
    expect(headers['content-type']).toBe(JSON_TYPE);
  });

  test('GET /api/v1/me/credits is 0 for a user whom nobody knows, and what was given after', async () => {
    const before = await api.call('GET', '/api/v1/me/credits', { as: 'reader' });
    expect(before.status).toBe(200);
    expect(before.body).toEqual({
      data: { balance: 0, available: 0, held: 0, seq: 0, lots: [] },
    });
    await api.give('reader', 500);
    const after = await api.call('GET', '/api/v1/me/credits', { as: 'reader' });
    expect(after.body).toEqual({
      data: {
        ...{ balance: 500, available: 500, held: 0, seq: 1 },
        lots: [{ seq: 1, category: 'purchase', free: 500, priority: 0, expires_at: null }],
      },
    });
  });

  test('nobody sees or spends what another has', async () => {
    await api.give('rich', 500);
    const seen = await api.call('GET', '/api/v1/me/credits', { as: 'poor' });
    expect(seen.body.data.balance).toBe(0);
    const statement = await api.call('GET', '/api/v1/me/credits/entries', { as: 'poor' });
    expect(statement.body).toEqual({ data: [], next_cursor: null });
    const spent = await api.call('POST', '/api/v1/credits/debit', {
      as: 'poor',
      body: { delta: 1 },
    });
    expect(spent.status).toBe(402);
    expect(await api.onRecord('rich')).toEqual({ balance: 500, entries: 1 });
  });
});

describe('spending', () => {
  test('POST /api/v1/credits/debit answers with the new balance and the entry', async () => {
    await api.give('spender', 100);
    const body = { delta: 30, reason: 'A picture 🎨\nof a café' };
    const answer = await api.call('POST', '/api/v1/credits/debit', { as: 'spender', body });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe(JSON_TYPE);
    expect(answer.headers['idempotency-replayed']).toBeUndefined();
    expect(answer.body).toEqual({
      data: {
        balance: 70,
        available: 70,
        held: 0,
        entry: {
          id: expect.stringMatching(UUID),
          seq: 2,
          delta: -30,
          kind: 'debit',
          reason: body.reason,
          ref: null,
          created_at: expect.stringMatching(TIME),
        },
      },
    });
    expect(await api.onRecord('spender')).toEqual({ balance: 70, entries: 2 });
  });

  test('POST /api/v1/use-credits is the same debit, with units and ref', async () => {
    await api.give('user', 100);
    const body = { units: 25, ref: 'job_1' };
    const answer = await api.call('POST', '/api/v1/use-credits', { as: 'user', body });
    expect(answer.status).toBe(200);
    expect(answer.body.data).toMatchObject({
      balance: 75,
      entry: { delta: -25, kind: 'debit', reason: null, ref: 'job_1' },
    });
  });

  test.each([
    ['/api/v1/credits/debit', 'delta'],
    ['/api/v1/use-credits', 'units'],
  ])('POST %s is 402 with its fields when credits do not suffice', async (url, field) => {
    await api.give(`short-${field}`, 40);
    const call = { as: `short-${field}`, body: { [field]: 100 } };
    const { status, headers, body } = await api.call('POST', url, call);
    expect(status).toBe(402);
    expect(body).toEqual({
      error: {
        code: 'insufficient_credits',
        message: 'Not enough credits: 100 needed, 40 available.',
        balance: 40,
        available: 40,
        required: 100,
        shortfall: 60,
      },
      request_id: headers['x-request-id'],
    });
    expect(await api.onRecord(`short-${field}`)).toEqual({ balance: 40, entries: 1 });
  });

  test('a 402 for a user whom nobody knows leaves nothing on record', async () => {
    const call = { as: 'never-seen', body: { delta: 1 } };
    const { status, body } = await api.call('POST', '/api/v1/credits/debit', call);
    expect([status, body.error.shortfall]).toEqual([402, 1]);
    expect(await api.onRecord('never-seen')).toEqual({ balance: 0, entries: 0 });
  });

  test('of many debits at once exactly the affordable ones succeed', async () => {
    await api.give('racer', 70);
    const call = { as: 'racer', body: { delta: 10 } };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => api.call('POST', '/api/v1/credits/debit', call)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([
      ...Array(7).fill(200),
      ...Array(13).fill(402),
    ]);
    expect(await api.onRecord('racer')).toEqual({ balance: 0, entries: 8 });
  });
});

describe('every answer', () => {
  test.each([
    ['GET', '/livez', 200],
    ['GET', '/api/v1/me/credits', 401],
    ['GET', '/nowhere', 404],
    ['PUT', '/livez', 405],
  ])('%s %s (%i) may not be cached, framed or sniffed', async (method, url, expected) => {
    const { status, headers } = await api.call(method, url);
    expect(status).toBe(expected);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': expect.stringContaining('max-age='),
    });
    expect(headers).not.toHaveProperty('x-powered-by');
    expect(headers).not.toHaveProperty('server');
  });

  test('a 401 says how to sign in, and the same whatever is wrong', async () => {
    const wrong = [{}, { authorization: 'Bearer x.y.z' }, { authorization: 'Basic YTpi' }];
    const answers = await Promise.all(
      wrong.map((headers) => api.call('GET', '/api/v1/me/credits', { headers })),
    );
    for (const { status, headers, body } of answers) {
      expect(status).toBe(401);
      expect(headers['www-authenticate']).toBe('Bearer error="invalid_token"');
      expect(body.error).toEqual(answers[0]?.body.error);
    }
  });
});
