import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
let key: string;
beforeAll(async () => {
  api = await startTestApp();
  key = await api.makeKey('credits:spend', 'credits:read', 'credits:grant');
});
afterAll(() => api.close());

const NOTE = { reason: 'render', ref: 'job-43', metadata: { campaign: 'spring', b: '2' } };
const NONE = { reason: null, ref: null, metadata: null };
const HOLD = { id: 'h', units: 2, expires_in: 60 };

const post = (path: string, body: object, name = 'k') =>
  api.call('POST', `/api/v1${path}`, { key, body, headers: { 'idempotency-key': name } });

/** What each route writes, what it must be sent, and what of a note it takes. */
const ROUTES: readonly (readonly [kind: string, path: string, body: object, note: object])[] = [
  ['debit', '/credits/debit', { delta: 1 }, { reason: NOTE.reason }],
  ['debit', '/use-credits', { units: 1 }, { ref: NOTE.ref }],
  ['hold', '/holds', { units: 1, expires_in: 60 }, NOTE],
  ['capture', '/holds/h/capture', {}, NOTE],
  ['release', '/holds/h/release', {}, NOTE],
  ['reversal', '/reversals', { seq: 2 }, NOTE],
  ['bonus', '/grants', { amount: 1, category: 'bonus', reason: 'welcome' }, NOTE],
];

let users = 0;
/** A user with credits, an entry to give back and a hold to end. */
async function makeUser(): Promise<string> {
  users += 1;
  const user = `user-${users}`;
  await api.give(user, 100);
  await post(`/users/${user}/use-credits`, { units: 5 }, 'spent');
  await post(`/users/${user}/holds`, HOLD, 'held');
  return user;
}

async function newestOf(user: string) {
  const url = `/api/v1/users/${user}/credits/entries?limit=1`;
  return (await api.call('GET', url, { key })).body.data[0];
}

test.each(ROUTES)(
  'a note on a %s by %s stands in the answer and the statement',
  async (...given) => {
    const [kind, path, body, note] = given;
    const user = await makeUser();
    const { body: answer } = await post(`/users/${user}${path}`, { ...body, ...note });
    const { metadata, ...told } = { ...NONE, ...note };
    expect(answer.data.entry).toMatchObject({ kind, ...told });
    expect(await newestOf(user)).toMatchObject({ kind, ...told, metadata });
  },
);

test.each(ROUTES)('a %s by %s without a note has none', async (kind, path, body) => {
  const user = await makeUser();
  await post(`/users/${user}${path}`, body);
  const reason = kind === 'bonus' ? 'welcome' : null;
  expect(await newestOf(user)).toMatchObject({ kind, ...NONE, reason });
});

test('each item of a batch has a note of its own', async () => {
  const [first, second] = [await makeUser(), await makeUser()];
  const items = [
    { user_id: first, units: 1, ...NOTE },
    { user_id: second, units: 1 },
  ];
  const { body } = await api.call('POST', '/api/v1/debits/batch', { key, body: { items } });
  expect(body.data).toMatchObject([
    { data: { entry: { reason: NOTE.reason, ref: NOTE.ref } } },
    { data: { entry: { reason: null, ref: null } } },
  ]);
  expect(await newestOf(first)).toMatchObject(NOTE);
  expect(await newestOf(second)).toMatchObject(NONE);
});
