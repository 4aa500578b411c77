import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { readAnswers } from './raw.ts';

let api: TestApp;
let key: string;
beforeAll(async () => {
  api = await startTestApp();
  key = await api.makeKey('credits:read', 'credits:spend', 'credits:grant');
});
afterAll(() => api.close());

const get = (encoded: string) => api.call('GET', `/api/v1/users/${encoded}/credits`, { key });

/** Grants one credit and spends it, by an address that names the user. */
async function useAccount(encoded: string, run: string): Promise<readonly number[]> {
  const headers = { 'idempotency-key': `${run} given` };
  const body = { amount: 1, category: 'bonus', reason: 'test' };
  const url = `/api/v1/users/${encoded}`;
  const given = await api.call('POST', `${url}/grants`, { key, body, headers });
  const spent = await api.call('POST', `${url}/credits/debit`, { key, body: { delta: 1 } });
  return [given.status, spent.status];
}

const EMOJI = '👩'.repeat(255);

test.each([
  ['a'],
  ['google:123'],
  ['ada@example.com'],
  ['a/b?c#d%20;e&f=g+h i'],
  ['..%2F..'],
  ['ünïcödé'],
  ['x'.repeat(255)],
  [EMOJI],
  ['constructor'],
  [`'; DROP TABLE x;--`],
])('the user %j is the one that a session token names', async (userId) => {
  await api.give(userId, 7);
  const { status, body } = await get(encodeURIComponent(userId));
  expect([status, body.data?.balance]).toEqual([200, 7]);
  expect(await useAccount(encodeURIComponent(userId), 'once')).toEqual([200, 200]);
  const own = await api.call('GET', '/api/v1/me/credits', { as: userId });
  expect(own.body.data.balance).toBe(7);
});

const CHARACTERS =
  'The path parameter `user_id` must not be . or .., nor hold control characters, edge spaces ' +
  'or halves of surrogate pairs.';
const CLIENTS_STEP = ['.', '..'];
const BAD_ADDRESS = 'The address is not percent-encoded UTF-8.';

test.each([
  ['NUL', 'a%00b', CHARACTERS],
  ['a line break', 'a%0Ab', CHARACTERS],
  ['DEL', 'a%7Fb', CHARACTERS],
  ['a C1 control', 'a%C2%85b', CHARACTERS],
  ['a space before', '%20a', CHARACTERS],
  ['a space after', 'a%20', CHARACTERS],
  ['a no-break space after', 'a%C2%A0', CHARACTERS],
  ['a byte order mark', '%EF%BB%BFa', CHARACTERS],
  ['only a space', '%20', CHARACTERS],
  [
    '256 characters',
    'x'.repeat(256),
    'The path parameter `user_id` must have at most 255 characters.',
  ],
  [
    '256 emoji',
    encodeURIComponent(`${EMOJI}👩`),
    'The path parameter `user_id` must have at most 255 characters.',
  ],
  ['nothing', '', 'The path parameter `user_id` must not be empty.'],
  ['a lone surrogate, as UTF-8 would write it', '%ED%A0%80', BAD_ADDRESS],
  ['an overlong NUL', '%C0%80', BAD_ADDRESS],
  ['half an escape', 'a%2', BAD_ADDRESS],
  ['a bare percent sign', '100%', BAD_ADDRESS],
  ['Latin-1', '%E9', BAD_ADDRESS],
])('a user id with %s is 400', async (_, encoded, message) => {
  const { status, body } = await get(encoded);
  expect([status, body.error.code, body.error.message]).toEqual([400, 'invalid_request', message]);
  expect(await useAccount(encoded, 'never')).toEqual([400, 400]);
});

test.each(CLIENTS_STEP)(
  'a user id of %s, which clients take for a step, is 400',
  async (userId) => {
    const line = `GET /api/v1/users/${userId}/credits HTTP/1.1`;
    const headers = `Host: purser\r\nAuthorization: Bearer ${key}\r\nConnection: close`;
    const [answer] = readAnswers(await api.exchange(`${line}\r\n${headers}\r\n\r\n`));
    expect([answer?.status, JSON.parse(answer?.body ?? '').error.message]).toEqual([
      400,
      CHARACTERS,
    ]);
    const body = { items: [{ user_id: userId, units: 1 }] };
    const batch = await api.call('POST', '/api/v1/debits/batch', { key, body });
    expect([batch.status, batch.body.error.field]).toEqual([400, 'items.0.user_id']);
  },
);

test('any text is one user or a 400, and never breaks anything', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }),
    fc.constantFrom('__proto__', 'me', '%', '{user_id}', ':user_id', '*', '...'),
  );
  let run = 0;
  await fc.assert(
    fc.asyncProperty(text, async (userId) => {
      fc.pre(!CLIENTS_STEP.includes(userId));
      run += 1;
      const encoded = encodeURIComponent(userId);
      const { status } = await get(encoded);
      const isFit =
        [...userId].length <= 255 && userId.trim() === userId && !/\p{Cc}/u.test(userId);
      expect(status).toBe(isFit ? 200 : 400);
      const expected = isFit ? [200, 200] : [400, 400];
      expect(await useAccount(encoded, `run-${run}`)).toEqual(expected);
    }),
    { numRuns: 200 },
  );
  const raw = fc.string({ maxLength: 30 }).map((one) => one.replace(/[/?#\s]/g, '%'));
  await fc.assert(
    fc.asyncProperty(raw, async (encoded) => {
      expect([200, 400, 404]).toContain((await get(encoded)).status);
    }),
    { numRuns: 200 },
  );
});
