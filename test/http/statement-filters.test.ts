import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { type PastEntry, writeHistory } from '../support/history.ts';

let api: TestApp;
let key: string;
beforeAll(async () => {
  api = await startTestApp();
  key = await api.makeKey('credits:read');
});
afterAll(() => api.close());

interface Item {
  readonly seq: number;
  readonly kind: string;
  readonly reason: string | null;
  readonly ref: string | null;
  readonly operation: string | null;
  readonly hold_id: string | null;
  readonly created_at: string;
}

/** Follows the cursors to the end. */
async function readAll(userId: string, query: Record<string, string | string[]> = {}) {
  const pages: Item[][] = [];
  let cursor: string | null = null;
  do {
    const asked = new URLSearchParams(
      Object.entries({ ...query, ...(cursor !== null && { cursor }) }).flatMap(([name, value]) =>
        [value].flat().map((one) => [name, one]),
      ),
    );
    const url = `/api/v1/me/credits/entries?${asked}`;
    const { status, body } = await api.call('GET', url, { as: userId });
    expect(status).toBe(200);
    pages.push(body.data);
    cursor = body.next_cursor;
    expect(pages.length).toBeLessThan(400);
  } while (cursor !== null);
  return pages;
}

const HOUR = 3_600_000;
const START = Date.UTC(2027, 0, 1);
const at = (hours: number) => new Date(START + hours * HOUR).toISOString();

/** Entries of every kind, several of one moment, with few different texts. */
const history: readonly PastEntry[] = Array.from({ length: 300 }, (_, i): PastEntry => {
  const note = {
    created_at: at(Math.floor(i / 3)),
    reason: [null, 'render', 'Render', ''][i % 4] ?? null,
    ref: i % 7 === 0 ? `job-${i % 5}` : null,
  };
  if (i % 50 === 0) return { ...note, kind: 'purchase', delta: 1_000 };
  if (i % 50 === 1) return { ...note, kind: 'bonus', delta: 10 };
  if (i % 10 === 2) return { ...note, kind: 'hold', delta: 0, hold_id: `h${Math.floor(i / 10)}` };
  if (i % 10 === 5) {
    return { ...note, kind: 'capture', delta: -1, hold_id: `h${Math.floor(i / 10)}` };
  }
  const operation = i % 3 === 0 ? { operation: 'tokens', quantity: '2' } : {};
  return { ...note, ...operation, kind: 'debit', delta: -1 };
});

const filters = fc.record(
  {
    kind: fc.uniqueArray(fc.constantFrom('purchase', 'bonus', 'expiry', 'debit', 'hold'), {
      minLength: 1,
    }),
    reason: fc.constantFrom('render', 'Render', '', 'other'),
    ref: fc.constantFrom('job-1', 'job-4', 'job-9'),
    operation: fc.constantFrom('tokens', 'other'),
    hold_id: fc.constantFrom('h3', 'h7', 'h99'),
    from: fc.integer({ min: -1, max: 60 }).map(at),
    to: fc.integer({ min: 61, max: 102 }).map(at),
    limit: fc.constantFrom('1', '7', '100'),
  },
  { requiredKeys: [] },
);

test('a filter leaves out exactly what is not asked for, whatever the pages', async () => {
  await writeHistory(api.database, 'ada', history);
  const all = (await readAll('ada', { limit: '100' })).flat();
  expect(all).toHaveLength(300);
  await fc.assert(
    fc.asyncProperty(filters, async ({ limit = '100', ...asked }) => {
      const { kind, from, to, ...equal } = asked;
      const expected = all.filter(
        (entry) =>
          (!kind || (kind as string[]).includes(entry.kind)) &&
          (!from || entry.created_at >= from) &&
          (!to || entry.created_at < to) &&
          Object.entries(equal).every(([name, value]) => entry[name as keyof Item] === value),
      );
      const pages = await readAll('ada', { ...asked, limit });
      expect(pages.flat()).toEqual(expected);
      expect(pages).toHaveLength(Math.max(1, Math.ceil(expected.length / Number(limit))));
    }),
    { numRuns: 150 },
  );
});

test.each([
  ['from', '0000-01-01T00:00:00Z', 300],
  ['from', '0001-01-01T00:00:00+14:00', 300],
  ['to', '0000-01-01T00:00:00Z', 0],
  ['from', '9999-12-31T23:59:59-23:59', 0],
  ['to', '9999-12-31T23:59:59-23:59', 300],
])('%s %s, at the edge of the calendar, is a moment like others', async (name, moment, entries) => {
  expect((await readAll('ada', { [name]: moment, limit: '100' })).flat()).toHaveLength(entries);
});

test('a service key filters the statement of any user in the same way', async () => {
  const query = '/credits/entries?kind=bonus&kind=purchase&limit=2';
  const [mine, theirs] = await Promise.all([
    api.call('GET', `/api/v1/me${query}`, { as: 'ada' }),
    api.call('GET', `/api/v1/users/ada${query}`, { key }),
  ]);
  expect(mine.body.data.map(({ seq }: Item) => seq)).toEqual([252, 251]);
  expect(theirs.body).toEqual(mine.body);
});

describe('in a long history', () => {
  beforeAll(async () => {
    const debits = Array.from({ length: 25_000 }, (_, i): PastEntry => {
      return { kind: 'debit', delta: -1, ref: i === 10 ? 'needle' : null };
    });
    await writeHistory(api.database, 'long', [
      { kind: 'purchase', delta: 100_000 },
      ...debits.slice(0, 12_000),
      { kind: 'bonus', delta: 5 },
      ...debits.slice(12_000),
    ]);
  });

  test('a page looks at 10,000 entries, then is short and says where it goes on', async () => {
    const pages = await readAll('long', { ref: 'needle' });
    expect(pages.map((page) => page.map(({ seq }) => seq))).toEqual([[], [], [12]]);
    const url = '/api/v1/me/credits/entries?ref=needle';
    const first = await api.call('GET', url, { as: 'long' });
    expect(first.body).toEqual({ data: [], next_cursor: '15003' });
  });

  test('kinds that are seldom are all on one page', async () => {
    const pages = await readAll('long', { kind: ['bonus', 'purchase'] });
    expect(pages.map((page) => page.map(({ seq }) => seq))).toEqual([[12_002, 1]]);
  });
});

const NOT_A_MOMENT = 'must be a moment such as 2027-01-31T00:00:00Z';
const KINDS =
  'purchase, included, bonus, adjustment, debit, expiry, clawback, reinstatement, hold, capture, ' +
  'release, reversal';

test.each([
  ['kind=', 'kind.0', `must be one of ${KINDS}`],
  ['kind=Debit', 'kind.0', `must be one of ${KINDS}`],
  ['kind=debit,hold', 'kind.0', `must be one of ${KINDS}`],
  ['kind=debit&kind=debit', 'kind', 'must not name anything twice'],
  ['from=yesterday', 'from', NOT_A_MOMENT],
  ['from=2027-01-31', 'from', NOT_A_MOMENT],
  ['from=2027-01-31T00:00:00', 'from', NOT_A_MOMENT],
  ['from=2027-02-30T00:00:00Z', 'from', NOT_A_MOMENT],
  ['from=2016-12-31T23:59:60Z', 'from', NOT_A_MOMENT],
  ['to=', 'to', NOT_A_MOMENT],
  ['to=2027-01-01T00:00:00Z&to=2027-01-02T00:00:00Z', 'to', 'must be a string, not a list'],
  ['from=2027-01-02T00:00:00Z&to=2027-01-01T00:00:00Z', 'to', 'must be later than `from`'],
  ['from=2027-01-02T00:00:00Z&to=2027-01-02T01:00:00%2B01:00', 'to', 'must be later than `from`'],
  ['reason=a&reason=b', 'reason', 'must be a string, not a list'],
  ['reason=%00', 'reason', 'must hold no control characters and no halves of surrogate pairs'],
  [`ref=${'x'.repeat(256)}`, 'ref', 'must have at most 255 characters'],
  [`operation=${'x'.repeat(101)}`, 'operation', 'must have at most 100 characters'],
])('?%s is refused in words that help', async (query, field, problem) => {
  for (const path of ['entries?', 'entries/export?format=csv&']) {
    const { status, body } = await api.call('GET', `/api/v1/me/credits/${path}${query}`, {
      as: 'ada',
    });
    const message = `The query parameter \`${field}\` ${problem}.`;
    expect([status, body.error]).toEqual([400, { code: 'invalid_request', message, field }]);
  }
});
