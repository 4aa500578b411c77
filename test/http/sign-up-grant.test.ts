import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
import { startTestApp, type TestApp, type TestAppOptions } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';

const GIVES_50 = { SIGNUP_CREDITS: '50' };
const BALANCE = '/api/v1/me/credits';

let database: TestDatabase;
const servers: TestApp[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  expect((await verifyLedger(database.pool)).faults).toEqual([]);
});
afterAll(() => database.drop());

async function serve(env: TestAppOptions['env'] = GIVES_50, databaseUrl = database.url) {
  const server = await startTestApp({ database, databaseUrl, env });
  servers.push(server);
  return server;
}

const balanceOf = async (server: TestApp, user: string) =>
  (await server.call('GET', BALANCE, { as: user })).body.data.balance;

test('the first look at the balance shows the sign-up grant, and the next one no second', async () => {
  const server = await serve();
  expect(await balanceOf(server, 'ada')).toBe(50);
  expect(await balanceOf(server, 'ada')).toBe(50);
  const { body } = await server.call('GET', '/api/v1/me/credits/entries', { as: 'ada' });
  expect(body.data).toMatchObject([
    { kind: 'bonus', delta: 50, actor: 'system', reason: 'Sign-up', expires_at: null },
  ]);
});

test('the first request may be a debit, which can already spend it', async () => {
  const server = await serve();
  const answer = await server.call('POST', '/api/v1/credits/debit', {
    as: 'bob',
    body: { delta: 50 },
  });
  expect([answer.status, answer.body.data.balance]).toEqual([200, 0]);
});

test('ten first requests at once, on each of two servers, give it once', async () => {
  const both = await Promise.all([serve(), serve()]);
  const ten = Array.from({ length: 10 }, () => both.map((server) => balanceOf(server, 'cyd')));
  expect(await Promise.all(ten.flat())).toEqual(Array(20).fill(50));
  expect(await both[0].onRecord('cyd')).toEqual({ balance: 50, entries: 1 });
});

test('a server with another amount and an end gives it to nobody who had it', async () => {
  expect(await balanceOf(await serve(), 'dan')).toBe(50);
  const other = await serve({ SIGNUP_CREDITS: '70', SIGNUP_CREDITS_EXPIRE_DAYS: '2' });
  expect(await balanceOf(other, 'dan')).toBe(50);
  expect(await balanceOf(other, 'eve')).toBe(70);
  const { body } = await other.call('GET', '/api/v1/me/credits/entries', { as: 'eve' });
  const { created_at: created, expires_at: expires } = body.data[0];
  const days = (Date.parse(expires) - Date.parse(created)) / 86_400_000;
  expect(Math.round(days)).toBe(2);
  expect(await balanceOf(await serve(), 'eve')).toBe(70);
});

test('a service key gives nothing to a user whom it looks at, and its keys are no obstacle', async () => {
  const server = await serve();
  const key = await server.makeKey('admin');
  const look = await server.call('GET', '/api/v1/users/fay/credits', { key });
  expect(look.body.data.balance).toBe(0);
  expect(await server.onRecord('fay')).toEqual({ balance: 0, entries: 0 });
  await server.call('POST', '/api/v1/users/fay/grants', {
    key,
    body: { amount: 7, category: 'bonus', reason: 'Welcome' },
    headers: { 'idempotency-key': 'sign-up' },
  });
  expect(await balanceOf(server, 'fay')).toBe(57);
});

test('who held credits before it was switched on gets it too', async () => {
  const off = await serve({});
  await off.give('gus', 10);
  expect(await balanceOf(off, 'gus')).toBe(10);
  expect(await balanceOf(await serve(), 'gus')).toBe(60);
});

test('a request that is refused gives nothing', async () => {
  const server = await serve({ ...GIVES_50, USER_TOKEN_WRITES: 'none' });
  const debit = (body: object) => server.call('POST', '/api/v1/credits/debit', { as: 'hal', body });
  expect((await debit({ delta: 1 })).status).toBe(403);
  expect(await server.onRecord('hal')).toEqual({ balance: 0, entries: 0 });
});

test('whose lots were too many has it coming, without a restart', async () => {
  const server = await serve({
    ...{ ...GIVES_50, SIGNUP_CREDITS_EXPIRE_DAYS: '2' },
    MAX_OPEN_LOTS: '10',
  });
  const key = await server.makeKey('admin');
  for (let priority = 1; priority <= 10; priority += 1) {
    const body = { amount: 1, category: 'bonus', reason: 'Welcome', priority };
    const headers = { 'idempotency-key': `${priority}` };
    await server.call('POST', '/api/v1/users/lou/grants', { key, body, headers });
  }
  expect(await balanceOf(server, 'lou')).toBe(10);
  await server.call('POST', '/api/v1/users/lou/credits/debit', { key, body: { delta: 1 } });
  expect(await balanceOf(server, 'lou')).toBe(59);
});

test('who is remembered costs the ledger no further command', async () => {
  const server = await serve();
  await balanceOf(server, 'ivy');
  const { commands } = server.counts;
  await balanceOf(server, 'ivy');
  expect(server.counts.commands).toBe(commands);
});

test('while the database is away it is a 503, and the grant comes with the next request', async () => {
  const proxy = await startProxy(database.url);
  const server = await serve(GIVES_50, proxy.url);
  // The guard has looked up what it needs, so it is the grant that fails.
  await balanceOf(server, 'kim');
  await proxy.goAway();
  const hello = () => server.call('GET', '/api/v1/me/hello', { as: 'jan' });
  const { status, body } = await hello();
  expect([status, body.error.code]).toEqual([503, 'database_unavailable']);
  await proxy.comeBack();
  await expect.poll(async () => (await hello()).status).toBe(200);
  expect(await server.onRecord('jan')).toEqual({ balance: 50, entries: 1 });
  await Promise.all(servers.splice(0).map((one) => one.close()));
  await proxy.close();
});
