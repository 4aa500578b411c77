import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootstrapKey, createKey, listKeys, revokeKey } from '../../src/auth/key-store.ts';
import { createKeyring } from '../../src/auth/keyring.ts';
import { makeServiceKey, prefixOf } from '../../src/auth/service-key.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { judge } from './harness.ts';

let api: TestApp;
let database: TestDatabase;
beforeAll(async () => {
  api = await startTestApp();
  database = api.database;
});
afterAll(() => api.close());

/** A key is let in here, and told that it is no user; whatever is no key is a 401. */
const present = (key: string) => api.call('GET', '/api/v1/me/credits', { key });
const statusOf = async (key: string) => (await present(key)).status;
const LET_IN = 403;

/** The keyring on the real database, judged at the time that the test says. */
function createClocked() {
  const clock = { now: Date.now() };
  const keyring = createKeyring(database.pool, () => clock.now);
  return { clock, judge: (key: string) => judge(([header = '']) => keyring(header.slice(7)), key) };
}

const make = (expiresAt: number | null = null) =>
  createKey(database.pool, { name: 'backend', scopes: ['credits:read'], expiresAt });

const END_OF_TIME = 8.64e15;

describe('a key', () => {
  test('is shown once: what is stored is its SHA-256, and how it begins', async () => {
    const { key, prefix } = await make();
    expect(key).toMatch(/^purser_sk_[\w-]{43}$/);
    expect(prefix).toBe(key.slice(0, 18));
    const rows = await database.sql(
      "SELECT service_keys::text AS row, encode(sha256($1), 'hex') AS sha256, encode(digest, 'hex') AS digest FROM service_keys WHERE prefix = $2",
      [key, prefix],
    );
    expect(rows).toEqual([
      {
        row: expect.not.stringContaining(key.slice(18)),
        sha256: rows[0]?.['digest'],
        digest: rows[0]?.['sha256'],
      },
    ]);
  });

  test('works at once, also when it was asked for before it was made', async () => {
    const key = makeServiceKey();
    expect(await statusOf(key)).toBe(401);
    const other = await make();
    await database.sql(
      'UPDATE service_keys SET digest = sha256($1), prefix = $2 WHERE prefix = $3',
      [key, prefixOf(key), other.prefix],
    );
    expect(await statusOf(key)).toBe(LET_IN);
  });

  test('is no user: every address for users is 403, in words that help', async () => {
    const key = await api.makeKey('admin');
    for (const [method, url, body] of [
      ['GET', '/api/v1/me/hello'],
      ['GET', '/api/v1/me/credits'],
      ['GET', '/api/v1/me/credits/entries'],
      ['POST', '/api/v1/credits/debit', { delta: 1 }],
      ['POST', '/api/v1/use-credits', { units: 1 }],
      ['POST', '/api/v1/checkout-sessions', { price: 'price_x' }],
      ['POST', '/api/v1/checkout-sessions/cs_1/sync'],
      ['POST', '/api/v1/portal-sessions', {}],
    ] as const) {
      const answer = await api.call(method, url, { key, ...(body && { body }) });
      expect([url, answer.status, answer.body.error]).toEqual([
        url,
        403,
        {
          code: 'forbidden',
          message: 'A service key is no user: call the address below /api/v1/users/{user_id}.',
        },
      ]);
    }
  });

  test('two live at once, and one ends without the other: rotation', async () => {
    const [before, next] = [await make(), await make()];
    expect([await statusOf(before.key), await statusOf(next.key)]).toEqual([LET_IN, LET_IN]);
    await revokeKey(database.pool, before.prefix);
    const { judge: judgeLater } = createClocked();
    expect(await judgeLater(before.key)).toMatchObject({ code: 'unauthorized' });
    expect(await judgeLater(next.key)).toMatchObject({ kind: 'key', actor: `key:${next.prefix}` });
  });

  test('with a scope of a later release keeps those that are known', async () => {
    const { key, prefix } = await make();
    await database.sql(
      "UPDATE service_keys SET scopes = '{credits:mint,credits:read}' WHERE prefix = $1",
      [prefix],
    );
    expect(await createClocked().judge(key)).toMatchObject({ scopes: new Set(['credits:read']) });
  });
});

describe('a 401 says the same of every key, and its reason only to the log', () => {
  test.each<readonly [what: string, reason: RegExp, key: () => Promise<string>]>([
    ['unknown', /^unknown service key$/, async () => makeServiceKey()],
    ['cut off', /^malformed/, async () => (await make()).key.slice(0, -1)],
    ['longer', /^malformed/, async () => `${(await make()).key}A`],
    ['with other bits after the last', /^malformed/, async () => withStrayBits((await make()).key)],
    ['only the mark', /^malformed/, async () => 'purser_sk_'],
    ['in capitals', /not canonical|not a JWT/, async () => (await make()).key.toUpperCase()],
    [
      'revoked',
      /^purser_sk_.{8} is revoked$/,
      async () => {
        const { key, prefix } = await make();
        await revokeKey(database.pool, prefix);
        return key;
      },
    ],
    ['expired', /^purser_sk_.{8} has expired$/, async () => (await make(Date.now())).key],
  ])('%s', async (_, reason, keyOf) => {
    const garbage = await api.call('GET', '/api/v1/me/credits', {
      headers: { authorization: 'Bearer x.y.z' },
    });
    const key = await keyOf();
    const { status, headers, body } = await present(key);
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toBe('Bearer error="invalid_token"');
    expect(body.error).toEqual(garbage.body.error);
    const told = api.log
      .map((line) => JSON.parse(line))
      .find(({ request_id: id, code }) => id === headers['x-request-id'] && code);
    expect(told.reason).toMatch(reason);
  });
});

/** The same 32 bytes to a lenient decoder: the last of 43 characters has two bits to spare. */
function withStrayBits(key: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return key.slice(0, -1) + alphabet[alphabet.indexOf(key.at(-1) ?? '') + 1];
}

describe('a remembered key', () => {
  test('that is revoked is refused after 5 seconds at the latest', async () => {
    const { clock, judge: judgeNow } = createClocked();
    const { key, prefix } = await make();
    expect(await judgeNow(key)).toMatchObject({ kind: 'key' });
    await revokeKey(database.pool, prefix);
    clock.now += 4_999;
    expect(await judgeNow(key)).toMatchObject({ kind: 'key' });
    clock.now += 1;
    expect(await judgeNow(key)).toEqual({ code: 'unauthorized', reason: `${prefix} is revoked` });
  });

  test('expires at its moment', async () => {
    const { clock, judge: judgeNow } = createClocked();
    const { key, prefix } = await make(clock.now + 2_000);
    clock.now += 1_999;
    expect(await judgeNow(key)).toMatchObject({ kind: 'key' });
    clock.now += 1;
    expect(await judgeNow(key)).toEqual({ code: 'unauthorized', reason: `${prefix} has expired` });
  });

  test('cannot be changed by who gets it', async () => {
    const { judge: judgeNow } = createClocked();
    const identity = await judgeNow((await make()).key);
    expect(() => Object.assign(identity, { actor: 'user' })).toThrow(TypeError);
  });
});

test('the use of a key is noted, at most once a minute', async () => {
  const { clock, judge: judgeNow } = createClocked();
  const { key, prefix } = await make();
  const lastUsed = async () => {
    const [row] = await database.sql<{ at: string; writes: string }>(
      'SELECT last_used_at::text AS at, xmin::text AS writes FROM service_keys WHERE prefix = $1',
      [prefix],
    );
    return row;
  };
  await judgeNow(key);
  await expect.poll(async () => (await lastUsed())?.at).toEqual(expect.any(String));
  const first = await lastUsed();
  for (let i = 0; i < 10; i += 1) {
    clock.now += 5_000;
    await judgeNow(key);
  }
  expect(await lastUsed()).toEqual(first);

  // By the database's clock, whatever this server's says.
  clock.now += 60_000;
  await judgeNow(key);
  const { judge: judgeElsewhere } = createClocked();
  await judgeElsewhere((await make()).key);
  expect(await lastUsed()).toEqual(first);

  await database.sql(
    "UPDATE service_keys SET last_used_at = last_used_at - interval '1 minute' WHERE prefix = $1",
    [prefix],
  );
  const minuteAgo = await lastUsed();
  clock.now += 5_000;
  await judgeNow(key);
  await expect.poll(async () => (await lastUsed())?.at).not.toEqual(minuteAgo?.at);
});

test('no line of the log holds a whole key, wherever somebody puts it', async () => {
  const key = await api.makeKey('admin');
  await present(key);
  await present(`${key}x`);
  await api.call('GET', `/api/v1/me/credits?key=${key}`, { as: 'ada' });
  await api.call('GET', `/api/v1/me/credits?${key}=1`, { as: 'ada' });
  await api.call('GET', `/nowhere/${key}`);
  await api.call('GET', '/livez', { headers: { 'x-request-id': key } });
  const log = api.log.join('\n');
  expect(log).toContain(`/nowhere/${prefixOf(key)}…`);
  expect(log).not.toContain(key.slice(18));
});

test('a flood of made-up keys is refused, every one, and real ones still get in', async () => {
  const key = await api.makeKey('credits:read');
  const made = Array.from({ length: 1_000 }, () => makeServiceKey());
  const statuses = await Promise.all([...made, key].map(statusOf));
  expect(statuses).toEqual([...made.map(() => 401), LET_IN]);
});

describe('the first admin key', () => {
  let empty: TestDatabase;
  beforeAll(async () => {
    empty = await createTestDatabase();
  });
  afterAll(() => empty.drop());

  test('is taken once, by one of many servers that boot at once, and never again', async () => {
    const keys = Array.from({ length: 8 }, () => makeServiceKey());
    const taken = await Promise.all(keys.map((key) => bootstrapKey(empty.pool, key)));
    expect(taken.filter(Boolean)).toHaveLength(1);
    const [first, ...others] = await listKeys(empty.pool);
    expect(others).toEqual([]);
    expect(first).toMatchObject({
      prefix: prefixOf(keys[taken.indexOf(true)] ?? ''),
      scopes: ['admin'],
      expiresAt: null,
    });
    await revokeKey(empty.pool, first?.prefix ?? '');
    expect(await bootstrapKey(empty.pool, keys[taken.indexOf(true)] ?? '')).toBe(false);
    expect(await bootstrapKey(empty.pool, makeServiceKey())).toBe(false);
  });
});

test('the end of time is no expiry that breaks anything', async () => {
  const { key } = await make(END_OF_TIME / 1_000);
  expect(await createClocked().judge(key)).toMatchObject({ kind: 'key' });
});
