import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { readAnswers } from './raw.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
});
afterAll(() => api.close());

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('every request has an id of its own when it brings none', async () => {
  const answers = await Promise.all([api.call('GET', '/livez'), api.call('GET', '/nowhere')]);
  const ids = answers.map(({ headers }) => headers['x-request-id']);
  for (const id of ids) expect(id).toMatch(UUID);
  expect(new Set(ids).size).toBe(2);
});

test.each(['abc', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'a'.repeat(128)])(
  'the caller’s id %s comes back and stands in the log',
  async (id) => {
    const headers = { 'x-request-id': id };
    const { headers: answered } = await api.call('GET', '/nowhere', { headers });
    expect(answered['x-request-id']).toBe(id);
    expect(api.log.some((line) => JSON.parse(line).request_id === id)).toBe(true);
  },
);

test.each([
  ['empty', ''],
  ['too long', 'a'.repeat(129)],
  ['a space', 'a b'],
  ['a comma, as two headers are joined', 'a, b'],
  ['a quote', '"a"'],
  ['markup', '<script>'],
  ['an escape code for terminals', '\u001b[31m'],
  ['a line break and a header', 'a\r\nset-cookie: b=c'],
  ['not ASCII', 'é'],
])('an id that is not fit for a header or a log line (%s) is replaced', async (_, id) => {
  const { headers } = await api.call('GET', '/nowhere', { headers: { 'x-request-id': id } });
  expect(headers['x-request-id']).toMatch(UUID);
  expect(headers).not.toHaveProperty('set-cookie');
  if (id !== '') expect(api.log.join('')).not.toContain(JSON.stringify(id).slice(1, -1));
});

test('of two ids none is taken', async () => {
  const request = 'GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n';
  const [answer] = readAnswers(await api.exchange(`${request}Connection: close\r\n\r\n`));
  expect(answer?.status).toBe(200);
  expect(answer?.headers['x-request-id']).toMatch(UUID);
});
