import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { createTestAuthenticator } from '../../src/auth/authenticator.ts';
import { createGuard } from '../../src/auth/guard.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { createStreams } from '../../src/live/streams.ts';
import { FRONT_END, startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
  await api.database.sql('DROP TABLE credit_ledger CASCADE');
});
afterAll(() => api.close());

let key: string;
beforeAll(async () => {
  key = await api.makeKey('admin');
});

const ROUTES = [
  ['GET', '/api/v1/me/credits', undefined],
  ['GET', '/api/v1/me/credits/stream', undefined],
  ['GET', '/api/v1/me/credits/entries', undefined],
  ['POST', '/api/v1/credits/debit', { delta: 1 }],
  ['POST', '/api/v1/use-credits', { units: 1 }],
] as const;

const KEY_ROUTES = [
  ['GET', '/api/v1/users/ada/credits', undefined],
  ['GET', '/api/v1/users/ada/credits/stream', undefined],
  ['GET', '/api/v1/users/ada/credits/entries', undefined],
  ['POST', '/api/v1/users/ada/credits/debit', { delta: 1 }],
  ['POST', '/api/v1/users/ada/use-credits', { units: 1 }],
  ['POST', '/api/v1/users/ada/grants', { amount: 1, category: 'bonus', reason: 'r' }],
] as const;

test.each([...ROUTES, ...KEY_ROUTES])(
  'a failure inside %s %s says nothing but the code and the request id',
  async (method, url, body) => {
    const headers = { origin: FRONT_END, 'idempotency-key': 'k' };
    const caller = url.includes('/users/') ? { key } : { as: 'ada' };
    const answer = await api.callAndFail(method, url, { ...caller, body, headers });
    const id = answer.headers['x-request-id'];
    expect(answer.status).toBe(500);
    expect(answer.body).toEqual({
      error: {
        code: 'internal_error',
        message: 'Something failed on our side; quote the request id.',
      },
      request_id: id,
    });
    expect(JSON.stringify(answer.headers)).not.toMatch(/credit_ledger|relation|42P01|src\//);
    expect(answer.headers['access-control-allow-origin']).toBe(FRONT_END);
    expect(answer.headers['cache-control']).toBe('no-store');
    const logged = api.log.map((line) => JSON.parse(line)).filter((line) => line.request_id === id);
    expect(
      logged.some(({ level, err }) => level === 50 && /credit_ledger/.test(err?.message)),
    ).toBe(true);
  },
);

/** A defect of ours, whose text is for nobody else: no error of the database, and none with a code. */
const fail = () => Promise.reject(new TypeError('secret hunter2'));
const counts: Ledger['counts'] = {
  rounds: 0,
  commands: 0,
  skips: 0,
  splits: 0,
  unknownCommits: 0,
  lockViolations: 0,
};

test.each(ROUTES)('a defect behind %s %s says no more', async (method, url, body) => {
  const guard = createGuard(createTestAuthenticator());
  const app = await buildApp({
    ledger: {
      ...{
        post: fail,
        postAll: fail,
        replay: fail,
        balance: fail,
        balancesAfter: fail,
        hold: fail,
        entries: fail,
        usage: fail,
      },
      stream: () => ({ next: fail }) as unknown as ReturnType<Ledger['stream']>,
      ...{ counts, close: async () => {} },
    },
    operations: new Map(),
    userRoutes: async () => {},
    shop: async () => {},
    keyRoutes: async () => {},
    guard,
    streams: createStreams({ feed: { watch: fail }, guard, limit: 1 }),
    rateLimits: { user: 0, key: 0 },
    signUp: { credits: 0, expireDays: 0 },
    userWrites: 'all',
    revokeSessions: fail,
    allowedOrigins: [],
    health: { version: '1', authDisabled: true, checkDatabase: async () => {} },
    listPacks: async () => [],
    stripeWebhook: async () => {},
  });
  const answer = await app.inject({ method, url, ...(body && { payload: body }) });
  expect(answer.statusCode).toBe(500);
  expect(answer.json()).toEqual({
    error: {
      code: 'internal_error',
      message: 'Something failed on our side; quote the request id.',
    },
    request_id: answer.headers['x-request-id'],
  });
  expect(JSON.stringify(answer.headers) + answer.body).not.toMatch(/hunter2|TypeError/);
  await app.close();
});
