import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, FRONT_END, startTestApp, type TestApp } from '../support/app.ts';

const ALLOWED = 'https://shop.example.org';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp({
    env: { ALLOWED_ORIGINS: JSON.stringify([ALLOWED]), RATE_LIMIT_PER_MINUTE: '2' },
  });
});
afterAll(() => api.close());

const ALLOW = 'access-control-allow-origin';
const variesByOrigin = ({ headers }: Answer) =>
  expect(headers['vary']?.split(/, */)).toContain('Origin');

/** A request for each status that is not reached through a fault. */
const STATUSES: readonly (readonly [number, string, string, object])[] = [
  [200, 'GET', '/livez', {}],
  [200, 'GET', '/api/v1/me/hello', { as: 'ok' }],
  [400, 'POST', '/api/v1/credits/debit', { as: 'bad', body: '{' }],
  [401, 'GET', '/api/v1/me/credits', {}],
  [402, 'POST', '/api/v1/credits/debit', { as: 'poor', body: { delta: 1 } }],
  [404, 'GET', '/nowhere', {}],
  [405, 'DELETE', '/api/v1/me/credits', {}],
  [413, 'POST', '/api/v1/use-credits', { as: 'big', body: 'x'.repeat(100_000) }],
  [
    415,
    'POST',
    '/api/v1/use-credits',
    { as: 'xml', body: 'x', headers: { 'content-type': 'a/b' } },
  ],
];

describe.each(STATUSES)('a %i (%s %s)', (status, method, url, call: { headers?: object }) => {
  const from = (origin: string) =>
    api.call(method, url, { ...call, headers: { ...call.headers, origin } });

  test('may be read by a page of an allowed origin', async () => {
    const answer = await from(ALLOWED);
    expect([answer.status, answer.headers[ALLOW]]).toEqual([status, ALLOWED]);
    expect(answer.headers['access-control-expose-headers']).toBe(
      'Retry-After, Idempotency-Replayed, X-Request-Id',
    );
    expect(answer.headers).not.toHaveProperty('access-control-allow-credentials');
    variesByOrigin(answer);
  });

  test('may not be read by any other page', async () => {
    const answer = await from('https://evil.example.org');
    expect(answer.headers).not.toHaveProperty(ALLOW);
    variesByOrigin(answer);
  });
});

test('a 429 may be read by a page of an allowed origin', async () => {
  const call = { as: 'eager', headers: { origin: ALLOWED } };
  for (let i = 0; i < 2; i += 1) await api.call('GET', '/api/v1/me/hello', call);
  const answer = await api.call('GET', '/api/v1/me/hello', call);
  expect([answer.status, answer.headers[ALLOW]]).toEqual([429, ALLOWED]);
});

test('every answer varies by origin, also without one', async () => {
  for (const [, method, url] of STATUSES) variesByOrigin(await api.call(method, url));
  variesByOrigin(await api.call('OPTIONS', '/api/v1/credits/debit'));
});

test('the front end of NEXTAUTH_URL is always allowed', async () => {
  const { headers } = await api.call('GET', '/livez', { headers: { origin: FRONT_END } });
  expect(headers[ALLOW]).toBe(FRONT_END);
});

test.each([
  'null',
  '*',
  `${ALLOWED}/`,
  `${ALLOWED}:443`,
  `${ALLOWED}.evil.org`,
  'https://SHOP.example.org',
  'http://shop.example.org',
  'https://example.org',
  'https://x.shop.example.org',
  `${ALLOWED}, https://evil.example.org`,
  'http://localhost:3000',
])('the origin %s is not that of an allowed page', async (origin) => {
  for (const method of ['GET', 'OPTIONS']) {
    const { headers } = await api.call(method, '/livez', { headers: { origin } });
    expect(headers).not.toHaveProperty(ALLOW);
  }
});

test('localhost is allowed when nothing is configured', async () => {
  const local = await startTestApp({ database: api.database });
  const headers = { origin: 'http://localhost:3000' };
  const answer = await local.call('GET', '/livez', { headers });
  expect(answer.headers[ALLOW]).toBe('http://localhost:3000');
  await local.close();
});

describe('a preflight', () => {
  const preflight = (origin: string, url = '/api/v1/credits/debit') =>
    api.call('OPTIONS', url, {
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,idempotency-key',
      },
    });

  test('of an allowed page is granted for ten minutes, without a token', async () => {
    const answer = await preflight(ALLOWED);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(answer.headers).toMatchObject({
      [ALLOW]: ALLOWED,
      'access-control-allow-methods': 'GET,HEAD,POST,PUT,DELETE',
      'access-control-allow-headers': 'authorization,content-type,idempotency-key',
      'access-control-max-age': '600',
    });
    variesByOrigin(answer);
  });

  test('of another page is not granted', async () => {
    const answer = await preflight('https://evil.example.org');
    expect(answer.headers).not.toHaveProperty(ALLOW);
    variesByOrigin(answer);
  });
});
