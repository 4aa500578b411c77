import { setTimeout as delay } from 'node:timers/promises';
import { Stripe } from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeServiceKey } from '../../src/auth/service-key.ts';
import { type Answer, startTestApp, type TestApp, WEBHOOK_SECRET } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type DatabaseProxy, startProxy } from '../support/proxy.ts';

let database: TestDatabase;
let proxy: DatabaseProxy;
let api: TestApp;
let key: string;
beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startProxy(database.url);
  api = await startTestApp({ database, databaseUrl: proxy.url });
  await api.give('ada', 1_000);
  key = await api.makeKey('admin');
});
afterAll(async () => {
  await proxy.comeBack();
  await api.close();
  await proxy.close();
  await database.drop();
});
// Whatever happened: every endpoint works again by itself, soon.
afterEach(async () => {
  await proxy.comeBack();
  await expect
    .poll(async () => (await callAll(1)).map(([name, { status }]) => [name, status]), {
      timeout: 5_000,
      interval: 20,
    })
    .toEqual(Object.keys(NEEDY).map((name) => [name, 200]));
});

/** Every endpoint that needs the database. */
const NEEDY: Readonly<Record<string, () => Promise<Answer>>> = {
  healthz: () => api.call('GET', '/healthz'),
  metrics: () => api.call('GET', '/metrics', { key }),
  credits: () => api.call('GET', '/api/v1/me/credits', { as: 'ada' }),
  entries: () => api.call('GET', '/api/v1/me/credits/entries', { as: 'ada' }),
  debit: () => api.call('POST', '/api/v1/credits/debit', { as: 'ada', body: { delta: 1 } }),
  'use-credits': () => api.call('POST', '/api/v1/use-credits', { as: 'ada', body: { units: 1 } }),
  'credits of a user': () => api.call('GET', '/api/v1/users/ada/credits', { key }),
  'entries of a user': () => api.call('GET', '/api/v1/users/ada/credits/entries', { key }),
  'debit of a user': () =>
    api.call('POST', '/api/v1/users/ada/credits/debit', { key, body: { delta: 1 } }),
  'batch of debits': () =>
    api.call('POST', '/api/v1/debits/batch', {
      key,
      body: { items: [{ user_id: 'ada', units: 1 }] },
    }),
  'revoke-sessions': () => api.call('POST', '/api/v1/users/bob/revoke-sessions', { key }),
  webhook: deliverEvent,
};

async function deliverEvent(): Promise<Answer> {
  const payload = JSON.stringify({
    id: 'evt_1',
    object: 'event',
    type: 'customer.created',
    api_version: null,
    created: 1,
    livemode: false,
    data: { object: { id: 'cus_1', object: 'customer' } },
  });
  const header = Stripe.webhooks.generateTestHeaderString({ payload, secret: WEBHOOK_SECRET });
  const headers = { 'stripe-signature': header };
  return api.call('POST', '/webhooks/stripe', { body: payload, headers });
}

const within5s = <T>(promise: Promise<T>): Promise<T> =>
  Promise.race([
    promise,
    delay(5_000, undefined, { ref: false }).then(() => {
      throw new Error('no answer within 5 s');
    }),
  ]);

/** The answers of every needy endpoint, each asked `times` times, all at once. */
const callAll = (times: number): Promise<(readonly [string, Answer])[]> =>
  Promise.all(
    Object.entries(NEEDY)
      .flatMap((endpoint) => Array<typeof endpoint>(times).fill(endpoint))
      .map(async ([name, call]) => [name, await call()] as const),
  );

function expectAway(name: string, { status, headers, body }: Answer): void {
  expect(status, name).toBe(503);
  expect(headers['retry-after'], name).toMatch(/^[1-9]\d?$/);
  expect(['database_unavailable', 'overloaded'], name).toContain(body.error.code);
}

const FAULTS: readonly (readonly [what: string, begin: () => unknown])[] = [
  ['is away', () => proxy.goAway()],
  ['hangs', () => proxy.stall()],
];

describe.each(FAULTS)('while the database %s', (_, begin) => {
  test('every endpoint is 503 within 5 s, and what was refused is not done later', async () => {
    const before = await api.onRecord('ada');
    await begin();
    for (const [name, answer] of await within5s(callAll(1))) expectAway(name, answer);
    await proxy.comeBack();
    await expect.poll(async () => (await api.call('GET', '/healthz')).status).toBe(200);
    expect(await api.onRecord('ada')).toEqual(before);
  });

  test('many requests are all 503 within 5 s, and so are those that come while they wait', async () => {
    await begin();
    const first = Array.from({ length: 5 }, () => within5s(callAll(2)));
    await Promise.race(first);
    const answers = (await Promise.all([...first, within5s(callAll(10))])).flat();
    for (const [name, answer] of answers) expectAway(name, answer);
  });

  test('what needs no database goes on', async () => {
    await begin();
    expect((await api.call('GET', '/livez')).status).toBe(200);
    expect((await api.call('GET', '/api/v1/me/hello', { as: 'ada' })).status).toBe(200);
    expect((await api.call('GET', '/api/v1/me/credits')).status).toBe(401);
    expect((await api.call('GET', '/openapi.json')).status).toBe(200);
    const bad = { as: 'ada', body: { delta: 0 } };
    expect((await api.call('POST', '/api/v1/credits/debit', bad)).status).toBe(400);
  });
});

test('a key that is not remembered is a 503 while the database is away, and not a 401', async () => {
  const unknown = makeServiceKey();
  const other = await api.makeKey('credits:read');
  const call = (one: string) => api.call('GET', '/api/v1/users/ada/credits', { key: one });
  await proxy.goAway();
  for (const one of [other, unknown]) expectAway('key', await within5s(call(one)));
  await proxy.comeBack();
  await expect.poll(async () => (await call(other)).status).toBe(200);
  expect((await call(unknown)).status).toBe(401);
});

test('a server that starts before its database answers 503, then works', async () => {
  await proxy.goAway();
  const early = await startTestApp({ database, databaseUrl: proxy.url });
  expectAway('healthz', await early.call('GET', '/healthz'));
  const debit = { as: 'ada', body: { delta: 1 } };
  expectAway('debit', await early.call('POST', '/api/v1/credits/debit', debit));
  await proxy.comeBack();
  await expect
    .poll(async () => (await early.call('GET', '/api/v1/me/credits', { as: 'ada' })).status)
    .toBe(200);
  await early.close();
});
