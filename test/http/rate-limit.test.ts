import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let api: TestApp;
let unlimited: TestApp;
beforeAll(async () => {
  database = await createTestDatabase();
  api = await startTestApp({ database, env: { RATE_LIMIT_PER_MINUTE: '3' } });
  unlimited = await startTestApp({ database, env: { RATE_LIMIT_PER_MINUTE: '0' } });
});
afterAll(async () => {
  await Promise.all([api.close(), unlimited.close()]);
  await database.drop();
});

const hello = (userId: string) => api.call('GET', '/api/v1/me/hello', { as: userId });

/** The statuses of `count` requests, one after the other. */
async function statuses(count: number, call: () => Promise<{ status: number }>) {
  const seen: number[] = [];
  for (let i = 0; i < count; i += 1) seen.push((await call()).status);
  return seen;
}

test('a user who asks too often is told when to come back, and others are not', async () => {
  expect(await statuses(4, () => hello('eager'))).toEqual([200, 200, 200, 429]);
  const { headers, body } = await hello('eager');
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60);
  expect(body.error).toEqual({
    code: 'rate_limited',
    message: 'Too many requests; wait as long as Retry-After says.',
  });
  const calm = await hello('calm');
  expect(calm.status).toBe(200);
  expect(Object.keys({ ...headers, ...calm.headers }).join()).not.toMatch(/ratelimit/);
});

test('all addresses count together, and what is refused is not carried out', async () => {
  await api.give('spender', 10);
  const debit = { as: 'spender', body: { delta: 1 } };
  const addresses = [
    () => hello('spender'),
    () => api.call('GET', '/api/v1/me/credits', { as: 'spender' }),
    () => api.call('POST', '/api/v1/credits/debit', debit),
  ];
  for (const address of addresses) expect((await address()).status).toBe(200);
  const late = await api.call('POST', '/api/v1/use-credits', { as: 'spender', body: { units: 1 } });
  expect(late.status).toBe(429);
  expect(await api.onRecord('spender')).toEqual({ balance: 9, entries: 2 });
});

test('two tokens of one user share one budget', async () => {
  const other = await unlimited.tokenOf('twofold');
  await statuses(2, () => hello('twofold'));
  const headers = { authorization: `Bearer ${other}` };
  const call = () => api.call('GET', '/api/v1/me/hello', { headers });
  expect(await statuses(2, call)).toEqual([200, 429]);
});

test('requests without a valid token use up nobody’s budget', async () => {
  const headers = { authorization: `Bearer ${await api.tokenOf('victim')}x` };
  const call = () => api.call('GET', '/api/v1/me/hello', { headers });
  expect(await statuses(10, call)).toEqual(Array(10).fill(401));
  expect(await statuses(3, () => hello('victim'))).toEqual([200, 200, 200]);
});

test('health checks are never limited', async () => {
  expect(await statuses(10, () => api.call('GET', '/livez'))).toEqual(Array(10).fill(200));
  expect(await statuses(10, () => api.call('GET', '/healthz'))).toEqual(Array(10).fill(200));
});

test('0 switches the limit off', async () => {
  const call = () => unlimited.call('GET', '/api/v1/me/hello', { as: 'free' });
  expect(await statuses(20, call)).toEqual(Array(20).fill(200));
});

test('600 a minute is the limit when nothing is configured', async () => {
  const plain = await startTestApp({ database, env: { RATE_LIMIT_PER_MINUTE: undefined } });
  const call = () => plain.call('GET', '/api/v1/me/hello', { as: 'anyone' });
  expect(await statuses(601, call)).toEqual([...Array(600).fill(200), 429]);
  await plain.close();
});

test('each service key has a budget of its own, which what it is refused counts against, too', async () => {
  const env = { KEY_RATE_LIMIT_PER_MINUTE: '3', RATE_LIMIT_PER_MINUTE: '2' };
  const limited = await startTestApp({ database, env });
  const [eager, calm] = [await limited.makeKey('credits:spend'), await limited.makeKey('admin')];
  const call = (key: string) => limited.call('GET', '/api/v1/users/ada/credits', { key });
  expect(await statuses(4, () => call(eager))).toEqual([403, 403, 403, 429]);
  expect(Number((await call(eager)).headers['retry-after'])).toBeGreaterThan(0);
  expect((await call(calm)).status).toBe(200);
  // Users have a limit and budgets of their own, whatever they are called.
  const namesake = { as: `key ${eager.slice(0, 18)}` };
  const hello = () => limited.call('GET', '/api/v1/me/hello', namesake);
  expect(await statuses(3, hello)).toEqual([200, 200, 429]);
  await limited.close();
});
