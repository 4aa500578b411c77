import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
});
afterAll(() => api.close());

const KNOWN =
  'known are `kind`, `reason`, `ref`, `operation`, `hold_id`, `from`, `to`, `limit` and `cursor`';

const page = (userId: string, query = '') =>
  api.call('GET', `/api/v1/me/credits/entries${query}`, { as: userId });

/** An account with a grant and `debits` debits of one credit, with references. */
async function fill(userId: string, debits: number): Promise<void> {
  await api.give(userId, 1_000);
  for (let i = 1; i <= debits; i += 1) {
    const call = { as: userId, body: { units: 1, ref: `job_${i}` } };
    expect((await api.call('POST', '/api/v1/use-credits', call)).status).toBe(200);
  }
}

/** Follows the cursors to the end, at most ten pages. */
async function readAll(userId: string, limit: number) {
  const pages: { seq: number }[][] = [];
  let cursor: string | null = null;
  for (let i = 0; i < 10; i += 1) {
    const { status, body } = await page(
      userId,
      `?limit=${limit}${cursor === null ? '' : `&cursor=${cursor}`}`,
    );
    expect(status).toBe(200);
    pages.push(body.data);
    cursor = body.next_cursor;
    if (cursor === null) break;
  }
  expect(cursor).toBeNull();
  return pages;
}

test('an entry says what happened, who caused it and what was left', async () => {
  await fill('ada', 1);
  const { body } = await page('ada');
  const text = expect.any(String);
  const untouched = { expires_at: null, metadata: null, payment: null, reverses_seq: null };
  const neither = { hold_id: null, operation: null, quantity: null };
  const common = { id: text, reason: null, held: 0, created_at: text, ...untouched, ...neither };
  expect(body).toEqual({
    data: [
      {
        ...common,
        seq: 2,
        delta: -1,
        kind: 'debit',
        ref: 'job_1',
        balance: 999,
        actor: 'user',
        lot: null,
        draws: [{ lot: 1, amount: 1 }],
      },
      {
        ...common,
        seq: 1,
        delta: 1_000,
        kind: 'purchase',
        ref: null,
        balance: 1_000,
        actor: 'system',
        lot: 1,
        draws: null,
      },
    ],
    next_cursor: null,
  });
});

test('pages hold every entry once, newest first, also when the last one is full', async () => {
  await fill('reader', 23);
  for (const limit of [5, 12, 24, 100]) {
    const pages = await readAll('reader', limit);
    expect(pages.flat().map(({ seq }) => seq)).toEqual(
      Array.from({ length: 24 }, (_, i) => 24 - i),
    );
    expect(pages).toHaveLength(Math.ceil(24 / limit));
  }
});

test('a page has 20 entries when nothing else is asked', async () => {
  const { body } = await page('reader');
  expect(body.data).toHaveLength(20);
  expect(body.next_cursor).toBe('5');
});

test('what happens while someone reads moves no entry to another page', async () => {
  await fill('busy', 3);
  const first = await page('busy', '?limit=2');
  await fill('busy', 2);
  const second = await page('busy', `?limit=2&cursor=${first.body.next_cursor}`);
  const seqs = [...first.body.data, ...second.body.data].map(({ seq }) => seq);
  expect(seqs).toEqual([4, 3, 2, 1]);
});

test('a cursor of someone else shows nothing of theirs', async () => {
  await fill('owner', 3);
  const { body } = await page('stranger', '?cursor=3');
  expect(body).toEqual({ data: [], next_cursor: null });
});

test.each([
  ['limit=0', 'The query parameter `limit` must be at least 1.'],
  ['limit=101', 'The query parameter `limit` must be at most 100.'],
  ['limit=-1', 'The query parameter `limit` must be at least 1.'],
  ['limit=1.5', 'The query parameter `limit` must be a whole number.'],
  ['limit=ten', 'The query parameter `limit` must be a whole number.'],
  ['limit=', 'The query parameter `limit` must be a whole number.'],
  ['limit=1e2', 'The query parameter `limit` must be a whole number.'],
  ['limit=0x10', 'The query parameter `limit` must be a whole number.'],
  ['limit=+5', 'The query parameter `limit` must be a whole number.'],
  ['limit=%205', 'The query parameter `limit` must be a whole number.'],
  ['limit=5.0', 'The query parameter `limit` must be a whole number.'],
  ['limit=1&limit=2', 'The query parameter `limit` must be a whole number, not a list.'],
  ['cursor=0', 'The query parameter `cursor` must be the next_cursor of the page before.'],
  ['cursor=', 'The query parameter `cursor` must be the next_cursor of the page before.'],
  ['cursor=%00', 'The query parameter `cursor` must be the next_cursor of the page before.'],
  [
    `cursor=${'9'.repeat(16)}`,
    'The query parameter `cursor` must be the next_cursor of the page before.',
  ],
  ["cursor=1'--", 'The query parameter `cursor` must be the next_cursor of the page before.'],
  ['offset=1', `The query parameter \`offset\` is not known here; ${KNOWN}.`],
  ['__proto__=1', `The query parameter \`__proto__\` is not known here; ${KNOWN}.`],
])('?%s is refused in words that help', async (query, message) => {
  const { status, body } = await page('ada', `?${query}`);
  expect([status, body.error]).toEqual([
    400,
    { code: 'invalid_request', message, field: /`(\w+)`/.exec(message)?.[1] },
  ]);
});
