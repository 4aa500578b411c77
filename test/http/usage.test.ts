import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { createLedger } from '../../src/ledger/ledger.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { type PastEntry, writeHistory } from '../support/history.ts';

let api: TestApp;
let key: string;
beforeAll(async () => {
  api = await startTestApp();
  key = await api.makeKey('credits:read', 'credits:spend', 'credits:grant');
});
afterAll(() => api.close());

const YEAR = { from: '2027-01-01T00:00:00Z', to: '2028-01-01T00:00:00Z' };

const ask = (userId: string, query: Record<string, string>) =>
  api.call('GET', `/api/v1/me/credits/usage?${new URLSearchParams({ ...YEAR, ...query })}`, {
    as: userId,
  });

async function usage(userId: string, query: Record<string, string>) {
  const { status, body } = await ask(userId, query);
  expect([status, body.error]).toEqual([200, undefined]);
  return body.data;
}

const debit = (delta: number, more: Partial<PastEntry> = {}): PastEntry => ({
  ...{ kind: 'debit', delta: -delta },
  ...more,
});
const start: PastEntry = { kind: 'bonus', delta: 1_000_000, created_at: '2027-01-01T00:00:00Z' };

describe('days', () => {
  beforeAll(async () => {
    const at = [
      '2027-03-27T22:59:59.999Z', // 27 March 23:59 in Berlin
      '2027-03-27T23:00:00.000Z', // 28 March 00:00, the day of 23 hours
      '2027-03-28T21:59:59.999Z', // 28 March 23:59, one hour later by the clock
      '2027-03-28T22:00:00.000Z', // 29 March 00:00
      '2027-10-30T21:59:59.999Z', // 30 October 23:59
      '2027-10-30T22:00:00.000Z', // 31 October 00:00, the day of 25 hours
      '2027-10-31T00:30:00.000Z', // 02:30, for the first time
      '2027-10-31T01:30:00.000Z', // 02:30, for the second time
      '2027-10-31T22:59:59.999Z', // 31 October 23:59
      '2027-10-31T23:00:00.000Z', // 1 November 00:00
    ];
    const past = at.map((created_at, i) => debit(2 ** i, { created_at }));
    await writeHistory(api.database, 'berliner', [start, ...past]);
  });

  const days = async (query: Record<string, string>) =>
    (await usage('berliner', { group_by: 'day', ...query })).groups.map(
      ({ group, spent, count }: { group: string; spent: number; count: number }) => [
        ...[group, spent, count],
      ],
    );

  test('are those of the time zone, also when the clocks change', async () => {
    expect(await days({ time_zone: 'Europe/Berlin' })).toEqual([
      ['2027-03-27', 1, 1],
      ['2027-03-28', 2 + 4, 2],
      ['2027-03-29', 8, 1],
      ['2027-10-30', 16, 1],
      ['2027-10-31', 32 + 64 + 128 + 256, 4],
      ['2027-11-01', 512, 1],
    ]);
  });

  test('are those of UTC when none is named', async () => {
    const expected = [
      ['2027-03-27', 1 + 2, 2],
      ['2027-03-28', 4 + 8, 2],
      ['2027-10-30', 16 + 32, 2],
      ['2027-10-31', 64 + 128 + 256 + 512, 4],
    ];
    expect(await days({})).toEqual(expected);
    expect(await days({ time_zone: 'UTC' })).toEqual(expected);
  });

  test('hold what happened from the first moment on, before the second', async () => {
    const span = { from: '2027-03-28T00:00:00+01:00', to: '2027-03-29T00:00:00+02:00' };
    expect(await days({ ...span, time_zone: 'Europe/Berlin' })).toEqual([['2027-03-28', 6, 2]]);
  });
});

describe('what is spent', () => {
  const post = async (path: string, body: object = {}) => {
    const answer = await api.call('POST', `/api/v1/users/ada${path}`, { key, body });
    expect([answer.status, answer.body.error]).toEqual([200, undefined]);
    return answer.body.data;
  };
  const now = () => ({
    from: new Date(Date.now() - 3_600_000).toISOString(),
    to: new Date(Date.now() + 3_600_000).toISOString(),
  });

  test('is debits and captures less reversals, each for its cause', async () => {
    await api.give('ada', 1_000);
    const first = await post('/credits/debit', { delta: 100, reason: 'render' });
    await post('/credits/debit', { delta: 30 });
    await post('/holds', { id: 'h1', units: 50, expires_in: 600, reason: 'train' });
    await post('/holds/h1/capture', { units: 40 });
    await post('/holds', { id: 'h2', units: 20, expires_in: 600, reason: 'train' });
    const captured = await post('/holds/h2/capture', { units: 20, reason: 'finished' });
    await post('/holds', { id: 'h3', units: 99, expires_in: 600, reason: 'given up' });
    await post('/holds/h3/release');
    await post('/reversals', { seq: first.entry.seq, units: 25, reason: 'refund' });
    await post('/reversals', { seq: captured.entry.seq, reason: 'refund' });
    expect(await usage('ada', { group_by: 'reason', ...now() })).toEqual({
      groups: [
        { group: 'render', spent: 75, reversed: 25, count: 1, quantity: null },
        { group: 'train', spent: 40, reversed: 0, count: 1, quantity: null },
        { group: null, spent: 30, reversed: 0, count: 1, quantity: null },
        { group: 'finished', spent: 0, reversed: 20, count: 1, quantity: null },
      ],
      rest: null,
    });
  });
});

test('quantities add up exactly, those of captures are their holds’', async () => {
  const render = (quantity: string) => ({ operation: 'render', quantity });
  await writeHistory(api.database, 'renderer', [
    start,
    debit(3, render('0.1')),
    debit(3, render('0.2')),
    debit(5),
    { kind: 'hold', delta: 0, hold_id: 'h', ...render('2.5') },
    { kind: 'capture', delta: -20, hold_id: 'h' },
    { kind: 'reversal', delta: 3, reverses_seq: 2 },
    { kind: 'reversal', delta: 5, reverses_seq: 6 },
    debit(1, { operation: 'tokens', quantity: '1000' }),
  ]);
  expect((await usage('renderer', { group_by: 'operation' })).groups).toEqual([
    { group: 'render', spent: 18, reversed: 8, count: 3, quantity: '2.8' },
    { group: null, spent: 5, reversed: 0, count: 1, quantity: null },
    { group: 'tokens', spent: 1, reversed: 0, count: 1, quantity: '1000' },
  ]);
});

test('groups beyond 500 are one, the smallest', async () => {
  const past = Array.from({ length: 600 }, (_, i) => debit(i + 1, { reason: `r${i}` }));
  await writeHistory(api.database, 'chatty', [start, ...past]);
  const { groups, rest } = await usage('chatty', { group_by: 'reason' });
  expect(groups.map(({ spent }: { spent: number }) => spent)).toEqual(
    Array.from({ length: 500 }, (_, i) => 600 - i),
  );
  expect(rest).toEqual({ spent: (100 * 101) / 2, reversed: 0, count: 100 });
});

test('every grouping of any time sums up what the statement says of it', async () => {
  const past = Array.from({ length: 200 }, (_, i): PastEntry => {
    const created_at = new Date(Date.UTC(2027, 4, 1) + i * 1_234_567).toISOString();
    const reason = i % 3 === 0 ? 'a' : 'b';
    if (i % 20 === 7) return { kind: 'reversal', delta: 2, created_at, reverses_seq: i + 1 };
    if (i % 20 === 8) return { kind: 'expiry', delta: -1, created_at };
    return debit(1 + (i % 5), { created_at, reason });
  });
  await writeHistory(api.database, 'sums', [start, ...past]);
  const moment = fc.integer({ min: -1, max: 201 }).map((i) => Date.UTC(2027, 4, 1) + i * 1_234_567);
  const zone = fc.constantFrom('UTC', 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Kiritimati');
  const grouping = fc.constantFrom('day', 'reason', 'operation');
  await fc.assert(
    fc.asyncProperty(moment, moment, zone, grouping, async (one, other, time_zone, group_by) => {
      const [from, to] = [Math.min(one, other), Math.max(one, other) + 1];
      const expected = new Map<string | null, number>();
      for (const { kind, delta, created_at = '', reason, reverses_seq: seq = 0 } of past) {
        const at = Date.parse(created_at);
        if (at < from || at >= to || kind === 'expiry') continue;
        const cause = kind === 'reversal' ? (past[seq - 2]?.reason ?? null) : (reason ?? null);
        const day = new Intl.DateTimeFormat('sv', { timeZone: time_zone }).format(at);
        const group = { day, reason: cause, operation: null }[group_by] ?? null;
        expected.set(group, (expected.get(group) ?? 0) - delta);
      }
      const span = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
      const { groups } = await usage('sums', { ...span, time_zone, group_by });
      const found = groups.map((g: { group: string; spent: number }) => [g.group, g.spent]);
      expect(new Map(found)).toEqual(expected);
      const sorted = [...found].sort((a, b) =>
        group_by === 'day' ? a[0].localeCompare(b[0]) : b[1] - a[1],
      );
      expect(found).toEqual(sorted);
    }),
    { numRuns: 100 },
  );
});

test('a service key is told of any user, and nobody of another', async () => {
  const query = new URLSearchParams({ ...YEAR, group_by: 'day' });
  const theirs = await api.call('GET', `/api/v1/users/chatty/credits/usage?${query}`, { key });
  expect(theirs.body.data).toEqual(await usage('chatty', { group_by: 'day' }));
  expect(await usage('nobody', { group_by: 'day' })).toEqual({ groups: [], rest: null });
});

const NO_ZONE = 'must be a time zone such as Europe/Berlin, or UTC';
test.each([
  [{ group_by: 'week' }, 'group_by', 'must be one of day, reason, operation'],
  [{ group_by: '' }, 'group_by', 'must be one of day, reason, operation'],
  ...['Europe/Atlantis', 'CET', 'EST5EDT', '+02:00', 'UTC+2', 'Foo/Bar+5', '', "'", 'berlin'].map(
    (time_zone) => [{ time_zone }, 'time_zone', NO_ZONE] as const,
  ),
  [{ time_zone: `A/${'x'.repeat(63)}` }, 'time_zone', 'must have at most 64 characters'],
  [{ from: '2027-01-01' }, 'from', 'must be a moment such as 2027-01-31T00:00:00Z'],
  [{ to: YEAR.from }, 'to', 'must be later than `from`'],
  [{ to: '2028-01-02T00:00:00.001Z' }, 'to', 'must be at most 366 days after `from`'],
] as const)('%j is refused in words that help', async (query, field, problem) => {
  const { status, body } = await ask('ada', { group_by: 'day', ...query });
  const message = `The query parameter \`${field}\` ${problem}.`;
  expect([status, body.error]).toEqual([400, { code: 'invalid_request', message, field }]);
});

test.each(['group_by', 'from', 'to'])('%s must be given', async (field) => {
  const query = new URLSearchParams({ ...YEAR, group_by: 'day' });
  query.delete(field);
  const { status, body } = await api.call('GET', `/api/v1/me/credits/usage?${query}`, {
    as: 'ada',
  });
  expect([status, body.error.message]).toEqual([
    400,
    `The query parameter \`${field}\` is missing.`,
  ]);
});

describe('queries that take long', () => {
  test('are three of an account at once, and a fourth is a 429', async () => {
    const holder = await api.database.pool.connect();
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE credit_ledger IN ACCESS EXCLUSIVE MODE');
    const all = Array.from({ length: 4 }, () => ask('slow', { group_by: 'day' }));
    const first = await Promise.race(all);
    await holder.query('ROLLBACK');
    holder.release();
    expect(first.status).toBe(429);
    expect(first.body.error).toEqual({
      code: 'rate_limited',
      message: 'There are 3 usage queries under way of this account already; end one, or wait.',
    });
    const statuses = (await Promise.all(all)).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 200, 200, 429]);
    expect((await ask('slow', { group_by: 'day' })).status).toBe(200);
  });

  test('wait for each other, not for anybody else: whose turn never comes is overloaded', async () => {
    const { database } = api;
    const reports = createPool({ url: database.url, size: 1, onError: () => {} });
    const ledger = createLedger({ ...database, reports });
    const busy = await reports.connect();
    const year = { from: Date.parse(YEAR.from), to: Date.parse(YEAR.to) };
    const usage = ledger.usage('slow', { ...year, groupBy: 'day', timeZone: 'UTC' });
    const refused = expect(usage).rejects.toMatchObject({ code: 'overloaded' });
    expect(await ledger.balance('slow')).toMatchObject({ balance: 0 });
    await refused;
    busy.release();
    await Promise.all([ledger.close(), reports.end()]);
  });
});
