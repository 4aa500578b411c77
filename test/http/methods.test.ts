import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
});
afterAll(() => api.close());

const READ = ['GET', 'HEAD'];
const ADDRESSES: readonly (readonly [url: string, methods: readonly string[]])[] = [
  ['/livez', READ],
  ['/healthz', READ],
  ['/api/v1/packs', READ],
  ['/api/v1/me/hello', READ],
  ['/api/v1/me/credits', READ],
  ['/api/v1/me/credits/entries', READ],
  ['/api/v1/credits/debit', ['POST']],
  ['/api/v1/use-credits', ['POST']],
  ['/api/v1/checkout-sessions', ['POST']],
  ['/api/v1/checkout-sessions/cs_1/sync', ['POST']],
  ['/api/v1/portal-sessions', ['POST']],
  ['/webhooks/stripe', ['POST']],
  ['/openapi.json', READ],
  ['/docs', READ],
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'QUERY', 'PROPFIND'];

describe.each(ADDRESSES)('%s', (url, methods) => {
  test.each(METHODS.filter((method) => !methods.includes(method)))(
    'answers %s with 405 and Allow, without asking who calls',
    async (method) => {
      const { status, headers, body } = await api.call(method, url, { body: '{' });
      expect(status).toBe(405);
      expect(headers['allow']).toBe(methods.join(', '));
      if (method === 'HEAD') return;
      expect(body.error).toEqual({
        code: 'method_not_allowed',
        message: 'This address does not answer to that method; Allow names those it does.',
      });
    },
  );

  test('answers OPTIONS with 204 and nothing else', async () => {
    const { status, text } = await api.call('OPTIONS', url);
    expect([status, text]).toEqual([204, '']);
  });
});

test('HEAD answers as GET does, without the body', async () => {
  await api.give('ada', 5);
  const got = await api.call('GET', '/api/v1/me/credits', { as: 'ada' });
  const head = await api.call('HEAD', '/api/v1/me/credits', { as: 'ada' });
  expect([head.status, head.text]).toEqual([200, '']);
  for (const name of ['content-type', 'content-length', 'cache-control']) {
    expect(head.headers[name], name).toBe(got.headers[name]);
  }
  expect((await api.call('HEAD', '/api/v1/me/credits')).status).toBe(401);
});

test.each([
  '/',
  '/api',
  '/api/v1',
  '/api/v1/me/credits/',
  '/API/v1/me/credits',
  '//api/v1/me/credits',
  '/api/v1/me/credits/entries/1',
  '/api/v1/users',
  '/api/v1/users/ada',
  '/api/v1/users/ada/hello',
  '/api/v1/users/a/b/credits',
  '/docs/static/../../package.json',
  '/docs/static/%2e%2e/%2e%2e/package.json',
  '/favicon.ico',
  '/__proto__',
  '/constructor',
  `/${'x'.repeat(8_000)}`,
])('%s is 404 for every method, whoever calls', async (url) => {
  for (const method of ['GET', 'POST', 'DELETE']) {
    const { status, body } = await api.call(method, url, { as: 'ada' });
    expect([status, body.error]).toEqual([
      404,
      { code: 'not_found', message: 'There is nothing at this address.' },
    ]);
  }
});

test.each(['/%', '/api/%zz', '/%E0%A4%A', '/%ff'])('%s is 400: no address at all', async (url) => {
  const { status, body } = await api.call('GET', url);
  expect([status, body.error]).toEqual([
    400,
    { code: 'invalid_request', message: 'The address is not percent-encoded UTF-8.' },
  ]);
});
