import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
});
afterAll(() => api.close());

describe('where nothing must be said', () => {
  const URL = '/api/v1/users/nil';
  const ENDPOINTS = '/api/v1/webhook-endpoints';
  const JSON_TYPE = { 'content-type': 'application/json' };
  const EMPTY: readonly (readonly [string, object])[] = [
    ['no body', {}],
    ['an empty body of JSON', { body: '', headers: JSON_TYPE }],
    ['an empty object', { body: {} }],
  ];

  test.each(EMPTY)('%s ends a hold', async (what, sent) => {
    const key = await api.makeKey('credits:spend');
    await api.give('nil', 2);
    for (const end of ['capture', 'release']) {
      const id = `${end} after ${what}`;
      const body = { id, units: 1, expires_in: 60 };
      await api.call('POST', `${URL}/holds`, { key, body });
      const url = `${URL}/holds/${encodeURIComponent(id)}/${end}`;
      const { status, body: answer } = await api.call('POST', url, { key, ...sent });
      expect([status, answer.data.hold.captured]).toEqual([200, end === 'capture' ? 1 : 0]);
    }
  });

  test.each(EMPTY)('%s revokes sessions', async (_, sent) => {
    const key = await api.makeKey('admin');
    expect((await api.call('POST', `${URL}/revoke-sessions`, { key, ...sent })).status).toBe(200);
  });

  test.each(EMPTY)('%s makes another secret of a webhook endpoint', async (_, sent) => {
    const key = await api.makeKey('admin');
    const body = { url: 'https://app.example.com/hook' };
    const { id, secret } = (await api.call('POST', ENDPOINTS, { key, body })).body.data;
    const made = await api.call('POST', `${ENDPOINTS}/${id}/rotate-secret`, { key, ...sent });
    expect(made).toMatchObject({ status: 200, body: { data: { id } } });
    expect(made.body.data.secret).not.toBe(secret);
  });

  test.each(['null', '[]', '{"x":1}', '1'])('the body %s is refused', async (body) => {
    const key = await api.makeKey('admin');
    const paths = ['holds/unheard/capture', 'holds/unheard/release', 'revoke-sessions'];
    for (const url of [
      ...paths.map((path) => `${URL}/${path}`),
      `${ENDPOINTS}/we_nobody/rotate-secret`,
    ]) {
      const { status } = await api.call('POST', url, { key, body });
      expect([url, status]).toEqual([url, 400]);
    }
  });
});
