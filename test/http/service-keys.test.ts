import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SCOPES, type Scope } from '../../src/identity.ts';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
  await api.give('ada', 1_000);
  await api.call('POST', '/api/v1/credits/debit', { as: 'ada', body: { delta: 10 } });
});
afterAll(() => api.close());

/** A hold that is never opened: who may come so far is told so. */
const UNHEARD = 'unheard';
/** What must be asked for at an address that needs a query. */
const QUERIES: Readonly<Record<string, string>> = {
  // None of a stream, which would have no end: who may come so far is told so.
  '/credits/stream': '?end=never',
  '/credits/entries/export': '?format=csv',
  '/credits/usage': '?group_by=reason&from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z',
};

/** What those two are answered. */
const WITHOUT_EFFECT = [
  ['{hold_id}', 404],
  ['/stream', 400],
] as const;

/** Every address for service keys, what it needs, and a body that it takes. */
type Route = readonly [method: string, path: string, scope: Scope, body: object | undefined];
const ROUTES: readonly Route[] = [
  ['GET', '/credits', 'credits:read', undefined],
  ['GET', '/credits/stream', 'credits:read', undefined],
  ['GET', '/credits/entries', 'credits:read', undefined],
  ['GET', '/credits/entries/export', 'credits:read', undefined],
  ['GET', '/credits/usage', 'credits:read', undefined],
  ['POST', '/credits/debit', 'credits:spend', { delta: 1, reason: 'render' }],
  ['POST', '/use-credits', 'credits:spend', { units: 1, ref: 'job-1' }],
  ['POST', '/credits/check', 'credits:read', { units: 1 }],
  ['POST', '/holds', 'credits:spend', { units: 1, expires_in: 60 }],
  ['GET', '/holds', 'credits:read', undefined],
  ['GET', '/holds/{hold_id}', 'credits:read', undefined],
  ['POST', '/holds/{hold_id}/capture', 'credits:spend', {}],
  ['POST', '/holds/{hold_id}/release', 'credits:spend', {}],
  ['POST', '/reversals', 'credits:grant', { seq: 2, units: 1 }],
  ['POST', '/revoke-sessions', 'admin', undefined],
  ['GET', '/auto-top-up', 'credits:read', undefined],
  ['DELETE', '/auto-top-up', 'admin', undefined],
  ['POST', '/grants', 'credits:grant', { amount: 1, category: 'bonus', reason: 'welcome' }],
];

let keys = 0;
/** A call about a user, with an Idempotency-Key of its own. */
function about(
  user: string,
  method: string,
  path: string,
  call: { key?: string; as?: string; body?: object | undefined },
) {
  keys += 1;
  const headers = { 'idempotency-key': `test-${keys}` };
  const place = `${path.replace('{hold_id}', UNHEARD)}${QUERIES[path] ?? ''}`;
  return api.call(method, `/api/v1/users/${encodeURIComponent(user)}${place}`, {
    ...call,
    headers,
  });
}

async function readPublished(): Promise<readonly string[]> {
  const { paths } = (await api.call('GET', '/openapi.json')).body;
  return Object.entries<object>(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

test('what a user finds below /me has its twin, but for a greeting and for opting in', async () => {
  const published = await readPublished();
  const own = published.filter((one) => one.includes('/api/v1/me/'));
  const twinOf = (one: string) => one.replace('/api/v1/me/', '/api/v1/users/{user_id}/');
  expect(own.length).toBeGreaterThan(6);
  expect(own.filter((one) => !published.includes(twinOf(one))).sort()).toEqual([
    'GET /api/v1/me/hello',
    'PUT /api/v1/me/auto-top-up',
  ]);
});

test('the table above has every address for service keys', async () => {
  const published = await readPublished();
  expect(published.filter((one) => one.includes('/users/')).sort()).toEqual(
    ROUTES.map(([method, path]) => `${method} /api/v1/users/{user_id}${path}`).sort(),
  );
});

describe.each(ROUTES)('%s /api/v1/users/{user_id}%s', (method, path, needed, body) => {
  const user = path === '/revoke-sessions' ? 'bob' : 'ada';

  test.each(SCOPES)('with the scope %s', async (scope) => {
    const key = await api.makeKey(scope);
    const before = await api.onRecord(user);
    const { status, headers, body: answer } = await about(user, method, path, { key, body });
    if (scope === needed || scope === 'admin') {
      expect(status).toBe(WITHOUT_EFFECT.find(([part]) => path.includes(part))?.[1] ?? 200);
      return;
    }
    expect([status, answer.error]).toEqual([
      403,
      {
        code: 'forbidden',
        message: `This service key lacks the scope ${needed}.`,
        required_scope: needed,
      },
    ]);
    expect(headers['www-authenticate']).toBe(
      `Bearer error="insufficient_scope", scope="${needed}"`,
    );
    expect(await api.onRecord(user)).toEqual(before);
  });

  test('with all scopes but the one that it needs', async () => {
    const others = SCOPES.filter((scope) => scope !== needed && scope !== 'admin');
    const key = await api.makeKey(...others);
    expect((await about(user, method, path, { key, body })).status).toBe(403);
  });

  test('is no address for a user, not even for the own account', async () => {
    const before = await api.onRecord('own');
    const { status, body: answer } = await about('own', method, path, { as: 'own', body });
    expect([status, answer.error]).toEqual([
      403,
      {
        code: 'forbidden',
        message: 'This address is for service keys; a session token only ever means its own user.',
      },
    ]);
    expect(await api.onRecord('own')).toEqual(before);
  });

  test('is 401 without a key, and other methods are 405', async () => {
    expect((await about(user, method, path, { body })).status).toBe(401);
    const { status, headers } = await about(user, 'PATCH', path, {});
    const others: Readonly<Record<string, string>> = {
      '/holds': 'GET, HEAD, POST',
      '/auto-top-up': 'DELETE, GET, HEAD',
      '/credits/entries/export': 'GET',
      '/credits/stream': 'GET',
    };
    const own = others[path] ?? (method === 'GET' ? 'GET, HEAD' : method);
    expect([status, headers['allow']]).toEqual([405, own]);
  });

  test('refuses a scope before it reads the body', async () => {
    if (method === 'GET') return;
    const key = await api.makeKey(needed === 'credits:read' ? 'credits:spend' : 'credits:read');
    const url = `/api/v1/users/${user}${path}`;
    expect((await api.call(method, url, { key, body: '{' })).status).toBe(403);
  });
});

describe('a twin', () => {
  test('answers as the user’s own address does', async () => {
    const key = await api.makeKey('credits:read', 'credits:spend');
    const balance = await about('ada', 'GET', '/credits', { key });
    expect(balance.body).toEqual((await api.call('GET', '/api/v1/me/credits', { as: 'ada' })).body);
    const page = await about('ada', 'GET', '/credits/entries?limit=2', { key });
    const own = await api.call('GET', '/api/v1/me/credits/entries?limit=2', { as: 'ada' });
    expect(page.body).toEqual(own.body);
    const next = `/credits/entries?limit=2&cursor=${page.body.next_cursor ?? '2'}`;
    expect((await about('ada', 'GET', next, { key })).status).toBe(200);

    const short = { delta: 10_000 };
    const refused = await about('ada', 'POST', '/credits/debit', { key, body: short });
    const ownRefused = await api.call('POST', '/api/v1/credits/debit', { as: 'ada', body: short });
    expect([refused.status, refused.body.error]).toEqual([402, ownRefused.body.error]);
    for (const wrong of [{ delta: 0 }, { delta: 1, x: 1 }, {}]) {
      const answer = await about('ada', 'POST', '/credits/debit', { key, body: wrong });
      const same = await api.call('POST', '/api/v1/credits/debit', { as: 'ada', body: wrong });
      expect([answer.status, answer.body.error]).toEqual([400, same.body.error]);
    }
  });

  test('names its key in the statement', async () => {
    const key = await api.makeKey('credits:spend');
    await api.give('named', 10);
    await about('named', 'POST', '/credits/debit', { key, body: { delta: 2, reason: 'render' } });
    const { body } = await api.call('GET', '/api/v1/me/credits/entries', { as: 'named' });
    expect(body.data[0]).toMatchObject({
      kind: 'debit',
      delta: -2,
      reason: 'render',
      actor: `key:${key.slice(0, 18)}`,
    });
  });

  test('has idempotency keys apart from the user’s, and shared by keys that follow each other', async () => {
    await api.give('twofold', 100);
    const [old, next] = [await api.makeKey('credits:spend'), await api.makeKey('credits:spend')];
    const body = { delta: 10 };
    const headers = { 'idempotency-key': 'order-1' };
    const url = '/api/v1/users/twofold/credits/debit';
    const first = await api.call('POST', url, { key: old, body, headers });
    const repeated = await api.call('POST', url, { key: next, body, headers });
    expect(repeated.headers['idempotency-replayed']).toBe('true');
    expect(repeated.body).toEqual(first.body);
    const own = await api.call('POST', '/api/v1/credits/debit', { as: 'twofold', body, headers });
    expect(own.headers).not.toHaveProperty('idempotency-replayed');
    expect(await api.onRecord('twofold')).toEqual({ balance: 80, entries: 3 });
    const other = await api.call('POST', url, { key: next, body: { delta: 11 }, headers });
    expect([other.status, other.body.error.code]).toEqual([409, 'idempotency_conflict']);
  });

  test('of users and keys that debit one account at once: nothing is overdrawn', async () => {
    const key = await api.makeKey('credits:spend');
    await api.give('busy', 10);
    const call = { body: { delta: 1 } };
    const answers = await Promise.all(
      Array.from({ length: 15 }, () => [
        api.call('POST', '/api/v1/credits/debit', { as: 'busy', ...call }),
        api.call('POST', '/api/v1/users/busy/credits/debit', { key, ...call }),
      ]).flat(),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 402)).toHaveLength(20);
    expect(await api.onRecord('busy')).toEqual({ balance: 0, entries: 11 });
  });
});

test('with authentication switched off for tests nobody has a scope', async () => {
  const env = { DISABLE_AUTH_FOR_TESTS: '1' };
  const open = await startTestApp({ database: api.database, env });
  for (const [method, path, , body] of ROUTES) {
    const key = await api.makeKey('admin');
    const answer = await open.call(method, `/api/v1/users/test-user${path}`, {
      key,
      ...(body && { body }),
    });
    expect([path, answer.status]).toEqual([path, 403]);
  }
  await open.close();
});
