import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createAuthenticator } from '../../src/auth/authenticator.ts';
import { createSessionCutoffs } from '../../src/auth/session-cutoffs.ts';
import { createPool } from '../../src/db/pool.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { startProxy } from '../support/proxy.ts';
import { claimsAt, forge, judge, OPTIONS } from './harness.ts';

let api: TestApp;
let key: string;
beforeAll(async () => {
  api = await startTestApp();
  key = await api.makeKey('admin');
});
afterAll(() => api.close());

const revoke = (userId: string) =>
  api.call('POST', `/api/v1/users/${userId}/revoke-sessions`, { key });

const REFUSED = { code: 'unauthorized', reason: 'session revoked' };

/** The sessions of another server, at the time that the test says. */
function createServer(pool = api.database.pool) {
  const clock = { now: Date.now() };
  const records = {
    keyring: () => Promise.reject(new Error('no service keys here')),
    cutoffs: createSessionCutoffs(pool),
  };
  const authenticate = createAuthenticator(OPTIONS, records, () => clock.now);
  return { clock, judge: (token: string) => judge(authenticate, token) };
}

/** A token of a user, issued `seconds` ago. */
const tokenOf = (sub: string, seconds = 60) =>
  forge({ ...claimsAt(Date.now()), sub, iat: Math.floor(Date.now() / 1000) - seconds });

test('revoking signs a user out of every address, at once, and nobody else', async () => {
  await api.give('ada', 10);
  const addresses: readonly (readonly [string, string, object?])[] = [
    ['GET', '/api/v1/me/hello'],
    ['GET', '/api/v1/me/credits'],
    ['POST', '/api/v1/credits/debit', { delta: 1 }],
  ];
  const statuses = (as: string) =>
    Promise.all(
      addresses.map(async ([method, url, body]) => {
        return (await api.call(method, url, { as, ...(body && { body }) })).status;
      }),
    );
  expect(await statuses('ada')).toEqual([200, 200, 200]);

  const { status, body } = await revoke('ada');
  expect([status, body]).toEqual([
    200,
    { data: { user: 'ada', valid_after: expect.stringMatching(/^\d{4}-.*Z$/) } },
  ]);
  expect(await statuses('ada')).toEqual([401, 401, 401]);
  expect(await statuses('bob')).toEqual([200, 200, 402]);
  expect(await api.onRecord('ada')).toEqual({ balance: 9, entries: 2 });

  // The credits stay, and so do the ways of servers to them.
  const seen = await api.call('GET', '/api/v1/users/ada/credits', { key });
  expect(seen.body.data.balance).toBe(9);
});

test('the refusal looks like every other', async () => {
  await revoke('cat');
  const call = { headers: { authorization: `Bearer ${await tokenOf('cat')}` } };
  const { status, headers, body } = await api.call('GET', '/api/v1/me/hello', call);
  const other = await api.call('GET', '/api/v1/me/hello');
  expect([status, body.error]).toEqual([401, other.body.error]);
  expect(headers['www-authenticate']).toBe(other.headers['www-authenticate']);
});

test('a token that was issued later is accepted, to the second', async () => {
  const now = Math.floor(Date.now() / 1000);
  await api.database.sql(
    "INSERT INTO session_cutoffs VALUES ('dan', to_timestamp($1)), ('eve', to_timestamp($1 + 0.001))",
    [now],
  );
  const { judge: judgeNow } = createServer();
  const issued = async (sub: string, iat: number) =>
    judgeNow(await forge({ sub, iat, exp: now + 60 }));
  expect(await issued('dan', now - 1)).toEqual(REFUSED);
  expect(await issued('dan', now)).toMatchObject({ userId: 'dan' });
  expect(await issued('eve', now)).toEqual(REFUSED);
  expect(await issued('eve', now + 1)).toMatchObject({ userId: 'eve' });
});

test('revoking again moves the moment on, and a clock that was set back does not', async () => {
  await api.database.sql("INSERT INTO session_cutoffs VALUES ('fay', now() + interval '1 hour')");
  const ahead = (await revoke('fay')).body.data.valid_after;
  expect(Date.parse(ahead)).toBeGreaterThan(Date.now() + 3_000_000);
  const first = (await revoke('gus')).body.data.valid_after;
  const again = (await revoke('gus')).body.data.valid_after;
  expect(Date.parse(again)).toBeGreaterThanOrEqual(Date.parse(first));
});

describe('on another server', () => {
  test('a revocation holds after 5 seconds at the latest, for remembered tokens, too', async () => {
    const { clock, judge: judgeNow } = createServer();
    const token = await tokenOf('hal');
    expect(await judgeNow(token)).toMatchObject({ userId: 'hal' });
    await revoke('hal');
    clock.now += 1_999;
    expect(await judgeNow(token)).toMatchObject({ userId: 'hal' });
    clock.now += 3_001;
    expect(await judgeNow(token)).toEqual(REFUSED);
  });

  test('a busy one asks every 2 seconds, and nobody waits for it', async () => {
    const { clock, judge: judgeNow } = createServer();
    const token = await tokenOf('ian');
    await judgeNow(token);
    await revoke('ian');
    clock.now += 2_000;
    await expect.poll(() => judgeNow(token)).toEqual(REFUSED);
  });

  test('one that has just started knows what was revoked before', async () => {
    await revoke('jan');
    expect(await createServer().judge(await tokenOf('jan'))).toEqual(REFUSED);
  });

  test('one whose clock was set back still hears of it', async () => {
    const { clock, judge: judgeNow } = createServer();
    const token = await tokenOf('kim', 7_200);
    await judgeNow(token);
    await revoke('kim');
    clock.now -= 3_600_000;
    expect(await judgeNow(token)).toEqual(REFUSED);
  });

  test('a revocation that was committed late is not overlooked', async () => {
    const { clock, judge: judgeNow } = createServer();
    const token = await tokenOf('lea', 600);
    await judgeNow(token);
    await api.database.sql(
      "INSERT INTO session_cutoffs VALUES ('lea', now() - interval '30 seconds')",
    );
    clock.now += 5_000;
    expect(await judgeNow(token)).toEqual(REFUSED);
  });

  test('while the database is away what is known serves for 30 seconds, then it is a 503', async () => {
    const proxy = await startProxy(api.database.url);
    const pool = createPool({ url: proxy.url, size: 2, onError: () => {} });
    onTestFinished(async () => {
      await pool.end();
      await proxy.close();
    });
    const { clock, judge: judgeNow } = createServer(pool);
    const [mia, ned] = [await tokenOf('mia'), await tokenOf('ned')];
    await revoke('ned');
    expect(await judgeNow(mia)).toMatchObject({ userId: 'mia' });
    await proxy.goAway();
    clock.now += 29_999;
    expect(await judgeNow(mia)).toMatchObject({ userId: 'mia' });
    expect(await judgeNow(ned)).toEqual(REFUSED);
    clock.now += 1;
    expect(await judgeNow(mia)).toMatchObject({ code: 'database_unavailable' });
    await proxy.comeBack();
    clock.now += 500;
    expect(await judgeNow(mia)).toMatchObject({ userId: 'mia' });
  });
});
