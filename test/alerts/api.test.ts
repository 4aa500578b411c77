import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createAlertWorker } from '../../src/alerts/worker.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { isGenuine, startWebhookReceiver } from '../support/webhook-receiver.ts';

const ENDPOINTS = '/api/v1/webhook-endpoints';

let api: TestApp;
let key: string;
beforeAll(async () => {
  api = await startTestApp();
  key = await api.makeKey('admin');
});
afterAll(() => api.close());

const ask = (method: string, path: string, body?: object) =>
  api.call(method, `${ENDPOINTS}${path}`, { key, body });

async function made(url = 'https://app.example.com/hook', types?: readonly string[]) {
  const { body } = await ask('POST', '', { url, ...(types && { types }) });
  onTestFinished(async () => void (await ask('DELETE', `/${body.data.id}`)));
  return body.data as { readonly id: string; readonly secret: string };
}

/** Delivers whatever is due, as a server does by itself. */
function deliver(): Promise<void> {
  const log = { info: () => {}, warn: () => {} };
  return createAlertWorker({
    pool: api.database.pool,
    targets: { allowsPrivate: true },
    log,
  }).run();
}

test('an endpoint is made, shown without its secret, rotated, and gets what it wants', async () => {
  const receiver = await startWebhookReceiver();
  onTestFinished(() => receiver.close());
  const { id, secret } = await made(receiver.url, ['credits.granted', 'credits.granted']);
  expect(await ask('GET', '')).toMatchObject({ status: 200 });
  expect((await ask('GET', '')).body.data).toEqual([
    {
      ...{ id, url: receiver.url, types: ['credits.granted'], failures: 0, pending: 0 },
      ...{ disabled_at: null, disabled_reason: null, failing_since: null },
      ...{ previous_secret_until: null, created_at: expect.stringMatching(/Z$/) },
    },
  ]);
  const rotated = await ask('POST', `/${id}/rotate-secret`, {});
  const next = rotated.body.data.secret;
  await api.give('ada', 5);
  await deliver();
  const [one] = receiver.received;
  if (!one) throw new Error('nothing was received');
  expect([secret, next].map((each) => isGenuine(one, each))).toEqual([true, true]);

  expect((await ask('GET', `/${id}/deliveries?user_id=ada&state=delivered`)).body.data).toEqual([
    {
      ...{ alert: one.id, type: 'credits.granted', user_id: 'ada', state: 'delivered' },
      ...{ attempts: 1, status: 204, problem: null, next_attempt_at: null },
      created_at: one.timestamp,
      attempted_at: expect.stringMatching(/Z$/),
    },
  ]);
  expect((await ask('GET', `/${id}/deliveries?state=failed`)).body.data).toEqual([]);
});

test('alerts are delivered again: named ones, all since a moment, those that were given up', async () => {
  const receiver = await startWebhookReceiver();
  onTestFinished(() => receiver.close());
  const { id } = await made(receiver.url);
  await api.give('bob', 5);
  await deliver();
  const alert = receiver.received[0]?.id;
  const replay = (body: object) => ask('POST', `/${id}/replay`, body);
  const due = (count: number) => ({ data: { due: count, disabled: false }, next_cursor: null });
  expect((await replay({ alerts: [alert] })).body).toEqual(due(1));
  await deliver();
  expect((await replay({ failed: true })).body).toEqual(due(0));
  expect((await replay({ since: '2999-01-01T00:00:00Z' })).body).toEqual(due(0));
  expect(receiver.received.map((one) => one.id)).toEqual([alert, alert]);
  for (const body of [
    {},
    { since: '2016-12-31T23:59:60Z' },
    { failed: true, alerts: [alert] },
    { failed: false },
    { alerts: ['x'] },
    { failed: true, cursor: 'x' },
  ]) {
    expect((await replay(body)).body.error).toMatchObject({ code: 'invalid_request' });
  }
  const nobodys = '00000000-0000-4000-8000-000000000000';
  expect(await replay({ alerts: [alert, nobodys] })).toMatchObject({
    status: 404,
    body: { error: { code: 'alert_not_found', alert: nobodys } },
  });
  await ask('POST', `/${id}/disable`);
  expect((await replay({ alerts: [alert] })).body.data).toEqual({ due: 1, disabled: true });
});

test('deliveries are listed page by page', async () => {
  const { id } = await made();
  for (const n of [1, 2, 3]) await api.give('cid', n);
  const seen: string[] = [];
  let page = await ask('GET', `/${id}/deliveries?limit=2`);
  for (;;) {
    seen.push(...page.body.data.map((one: { alert: string }) => one.alert));
    if (page.body.next_cursor === null) break;
    page = await ask('GET', `/${id}/deliveries?limit=2&cursor=${page.body.next_cursor}`);
  }
  const all = (await ask('GET', `/${id}/deliveries`)).body.data;
  expect(seen).toEqual(all.map((one: { alert: string }) => one.alert));
  expect(new Set(seen).size).toBe(3);
});

test('an endpoint gets another URL and other alerts, and keeps its secret', async () => {
  const receiver = await startWebhookReceiver();
  onTestFinished(() => receiver.close());
  const { id, secret } = await made('http://127.0.0.1:1/', ['credits.low']);
  const types = ['credits.granted'];
  expect((await ask('PATCH', `/${id}`, { types })).body.data).toMatchObject({
    ...{ id, url: 'http://127.0.0.1:1/', types },
  });
  await api.give('dan', 5);
  expect((await ask('PATCH', `/${id}`, { url: receiver.url })).body.data).toMatchObject({
    ...{ id, url: receiver.url, types, pending: 1 },
  });
  expect((await ask('PATCH', `/${id}`, { types: null })).body.data).toMatchObject({ types: null });
  await deliver();
  expect(receiver.received.map((one) => isGenuine(one, secret))).toEqual([true]);
  for (const body of [{}, { url: 'ftp://app.example.com' }, { types: [] }, { secret: 'mine' }]) {
    expect(await ask('PATCH', `/${id}`, body)).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_request' } },
    });
  }
});

test.each([0, 2])('the secret before signs for the %d hours that were asked for', async (hours) => {
  const { id } = await made();
  await ask('POST', `/${id}/rotate-secret`, { overlap_hours: hours });
  const [{ previous_secret_until: until }] = (await ask('GET', '')).body.data;
  const left = until === null ? 0 : Date.parse(until) - Date.now();
  expect(Math.round(left / 3_600_000)).toBe(hours);
});

test('an endpoint is disabled, enabled and deleted', async () => {
  const { id } = await made();
  const states = [
    await ask('POST', `/${id}/disable`),
    await ask('POST', `/${id}/enable`),
    await ask('DELETE', `/${id}`),
  ];
  expect(states.map(({ body }) => body.data)).toEqual([
    { id, state: 'disabled' },
    { id, state: 'enabled' },
    { id, state: 'deleted' },
  ]);
  expect((await ask('GET', '')).body.data).toEqual([]);
});

describe('what is refused', () => {
  test.each([
    ['POST', '/disable'],
    ['POST', '/enable'],
    ['POST', '/rotate-secret'],
    ['POST', '/replay'],
    ['GET', '/deliveries'],
    ['DELETE', ''],
    ['PATCH', ''],
  ])('%s of an endpoint that is not there%s', async (method, path) => {
    const body = {
      '/rotate-secret': {},
      '/replay': { failed: true },
      ...(method === 'PATCH' && { '': { types: null } }),
    }[path];
    expect(await ask(method, `/we_nobody${path}`, body)).toMatchObject({
      status: 404,
      body: { error: { code: 'endpoint_not_found' } },
    });
  });

  test.each([
    [{ url: 'app.example.com' }, 'url'],
    [{ url: 'https://user:pass@app.example.com' }, 'url'],
    [{ url: 'https://app.example.com', types: [] }, 'types'],
    [{ url: 'https://app.example.com', types: ['credits.gone'] }, 'types.0'],
    [{ url: 'https://app.example.com', secret: 'mine' }, 'secret'],
    [{}, 'url'],
  ])('an endpoint made of %j', async (body, field) => {
    expect(await ask('POST', '', body)).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_request', field } },
    });
  });

  test.each([
    ['POST', '/replay', { alerts: ['x'] }, /^The field `alerts\.0` must be a UUID such as /],
    ['POST', '/replay', { failed: false }, /^The field `failed` must be true\.$/],
    ['PATCH', '', {}, /^The body must not be empty; known are `url` and `types`\.$/],
    ['PATCH', '', { types: 'credits.low' }, /^The field `types` must be a list or null\.$/],
  ])('%s …%s %j, and why', async (method, path, body, why) => {
    const { id } = await made();
    const refused = await ask(method, `/${id}${path}`, body);
    expect(refused.status).toBe(400);
    expect(refused.body.error.message).toMatch(why);
  });

  test('one endpoint more than there may be', async () => {
    for (let i = 0; i < 10; i += 1) await made();
    expect(await ask('POST', '', { url: 'https://app.example.com' })).toMatchObject({
      status: 409,
      body: { error: { code: 'too_many_endpoints' } },
    });
  });

  test('whoever is no admin', async () => {
    const spender = await api.makeKey('credits:read', 'credits:spend', 'credits:grant');
    for (const caller of [{ key: spender }, { as: 'ada' }]) {
      expect((await api.call('GET', ENDPOINTS, caller)).status).toBe(403);
      const body = { url: 'https://app.example.com' };
      expect((await api.call('POST', ENDPOINTS, { ...caller, body })).status).toBe(403);
    }
    expect((await api.call('GET', ENDPOINTS)).status).toBe(401);
  });

  test('private targets, where they are not allowed', async () => {
    const strict = await startTestApp({ env: { WEBHOOK_PRIVATE_TARGETS: 'refuse' } });
    onTestFinished(() => strict.close());
    const admin = await strict.makeKey('admin');
    for (const url of ['http://app.example.com', 'https://127.0.0.1', 'https://[fd00::1]']) {
      expect(await strict.call('POST', ENDPOINTS, { key: admin, body: { url } })).toMatchObject({
        status: 400,
        body: {
          error: { field: 'url', message: expect.stringMatching(/WEBHOOK_PRIVATE_TARGETS/) },
        },
      });
    }
  });
});
