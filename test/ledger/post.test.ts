import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/ledger/core/command.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
import { debit, grant, lot } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let ledger: Ledger;
/** A second process beside the first: other lanes, other connections. */
let other: Ledger;
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = createLedger({ url: database.url, pool: database.pool });
  other = createLedger({ url: database.url, pool: database.pool, lanes: 3 });
});
afterAll(async () => {
  await Promise.all([ledger.close(), other.close()]);
  expect(ledger.counts.lockViolations + other.counts.lockViolations).toBe(0);
  await database.drop();
});

const times = <T>(n: number, make: (i: number) => T): T[] =>
  Array.from({ length: n }, (_, i) => make(i));
const accepted = (outcomes: readonly Outcome[]) => outcomes.filter((outcome) => outcome.ok);
const count = async (sql: string, values: unknown[]) =>
  Number((await database.sql<{ n: number }>(sql, values))[0]?.n);
const entriesOf = (userId: string) =>
  count('SELECT count(*) AS n FROM credit_ledger WHERE user_id = $1', [userId]);

describe('a debit', () => {
  test('of two processes at once never overdraws: exactly the affordable ones succeed', async () => {
    await ledger.post(grant('hot', 100));
    const outcomes = await Promise.all(
      times(400, (i) => (i % 2 ? ledger : other).post(debit('hot', 1))),
    );
    expect(accepted(outcomes)).toHaveLength(100);
    expect(await ledger.balance('hot')).toMatchObject({ balance: 0, available: 0, held: 0 });
    expect(await entriesOf('hot')).toBe(101);
  });

  test('gives every caller a balance and a seq of its own', async () => {
    await ledger.post(grant('each', 300));
    const outcomes = accepted(
      await Promise.all(times(300, (i) => (i % 2 ? ledger : other).post(debit('each', 1)))),
    );
    const entries = outcomes.map(({ entry }) => entry);
    expect(new Set(entries.map(({ seq }) => seq)).size).toBe(300);
    expect(new Set(entries.map(({ balance }) => balance)).size).toBe(300);
    expect(entries.every(({ seq, balance }) => balance === 301 - seq)).toBe(true);
  });

  test('that is refused leaves no trace, not even a customer', async () => {
    const refused = await ledger.post(debit('typo', 5));
    expect(refused).toEqual({
      ok: false,
      refusal: { code: 'insufficient_credits', balance: 0, available: 0, required: 5 },
    });
    expect(
      await count('SELECT count(*) AS n FROM stripe_customers WHERE user_id = $1', ['typo']),
    ).toBe(0);
  });

  test('a grant that has expired when it comes leaves none either', async () => {
    const expired = lot(5, { expiresAt: Date.UTC(2001, 0) });
    const refused = await ledger.post(grant('late', 5, { grants: [expired] }));
    expect(refused).toEqual({ ok: false, refusal: { code: 'expiry_passed' } });
    expect(
      await count('SELECT count(*) AS n FROM stripe_customers WHERE user_id = $1', ['late']),
    ).toBe(0);
  });

  test('that is refused does not harm the commands it travels with', async () => {
    const outcomes = await Promise.all([
      ledger.post(grant('mixed', 10)),
      ledger.post(debit('mixed', 50)),
      ledger.post(debit('mixed', 10)),
      ledger.post(grant('mixed-2', 7)),
    ]);
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, false, true, true]);
    expect(await ledger.balance('mixed')).toMatchObject({ balance: 0 });
  });
});

describe('an idempotency key', () => {
  test('makes repeats of a debit, one after the other, return the first result', async () => {
    await ledger.post(grant('again', 100));
    const command = debit('again', 30, { idempotencyKey: 'job-1', reason: 'render' });
    const first = await ledger.post(command);
    await ledger.post(debit('again', 1));
    const second = await other.post(command);
    expect(second).toEqual({ ...first, replayed: true });
    expect(await ledger.balance('again')).toMatchObject({ balance: 69 });
  });

  test('makes repeats of a debit at the same time, in two processes, act once', async () => {
    await ledger.post(grant('rush', 100));
    const command = debit('rush', 30, { idempotencyKey: 'job-1' });
    const outcomes = accepted(
      await Promise.all(times(60, (i) => (i % 2 ? ledger : other).post(command))),
    );
    expect(outcomes).toHaveLength(60);
    expect(outcomes.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(new Set(outcomes.map(({ entry }) => entry.id)).size).toBe(1);
    expect(await ledger.balance('rush')).toMatchObject({ balance: 70 });
  });

  test('with another command is a conflict, and changes nothing', async () => {
    await ledger.post(grant('clash', 100));
    await ledger.post(debit('clash', 30, { idempotencyKey: 'k', reason: 'a' }));
    for (const different of [
      debit('clash', 31, { idempotencyKey: 'k', reason: 'a' }),
      debit('clash', 30, { idempotencyKey: 'k', reason: 'b' }),
      debit('clash', 30, { idempotencyKey: 'k', reason: 'a', ref: 'r' }),
    ]) {
      expect(await ledger.post(different)).toEqual({
        ok: false,
        refusal: { code: 'idempotency_conflict' },
      });
    }
    expect(await ledger.balance('clash')).toMatchObject({ balance: 70 });
  });

  test('of a refused debit may succeed after a top-up', async () => {
    const command = debit('later', 5, { idempotencyKey: 'k' });
    expect((await ledger.post(command)).ok).toBe(false);
    await ledger.post(grant('later', 5));
    expect(await ledger.post(command)).toMatchObject({ ok: true, replayed: false });
  });

  test('belongs to one user and one kind of actor: nobody blocks the key of another', async () => {
    await Promise.all([ledger.post(grant('k1', 9)), ledger.post(grant('k2', 9))]);
    const outcomes = await Promise.all([
      ledger.post(debit('k1', 1, { idempotencyKey: 'same' })),
      ledger.post(debit('k2', 2, { idempotencyKey: 'same' })),
      ledger.post(debit('k1', 3, { idempotencyKey: 'same', actor: 'key:abc' })),
    ]);
    expect(outcomes.every((outcome) => outcome.ok && !outcome.replayed)).toBe(true);
  });
});

describe('a grant', () => {
  test('of one payment acts once, whichever events bring it, in two processes at once', async () => {
    const outcomes = accepted(
      await Promise.all(
        times(40, (i) =>
          (i % 2 ? ledger : other).post(
            grant('paid', 500, { grantKey: 'cs_once', stripeEventId: `evt_${i}` }),
          ),
        ),
      ),
    );
    expect(outcomes.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await ledger.balance('paid')).toMatchObject({ balance: 500 });
  });

  test('of one Stripe event acts once, even when the copies name different users', async () => {
    const outcomes = accepted(
      await Promise.all(
        times(40, (i) =>
          (i % 2 ? ledger : other).post(
            grant(`copy-${i % 7}`, 10, { stripeEventId: 'evt_once', grantKey: `in_copy_${i}` }),
          ),
        ),
      ),
    );
    expect(outcomes).toHaveLength(40);
    expect(new Set(outcomes.map(({ entry }) => entry.id)).size).toBe(1);
    expect(
      await count("SELECT count(*) AS n FROM credit_ledger WHERE stripe_event_id = 'evt_once'", []),
    ).toBe(1);
  });

  test('of several lines is posted together, in order', async () => {
    await ledger.post(
      grant('lines', 1, {
        grants: [lot(10, { category: 'included' }), lot(20), lot(30, { category: 'bonus' })],
        grantKey: 'in_lines',
      }),
    );
    const { entries } = await ledger.entries('lines', { limit: 10, before: null });
    expect(
      entries.map(({ kind, delta, balance, leadSeq }) => ({ kind, delta, balance, leadSeq })),
    ).toEqual([
      { kind: 'bonus', delta: 30, balance: 60, leadSeq: 1 },
      { kind: 'purchase', delta: 20, balance: 30, leadSeq: 1 },
      { kind: 'included', delta: 10, balance: 10, leadSeq: null },
    ]);
  });

  test('to many new users at once gives each exactly one account', async () => {
    await Promise.all(times(200, (i) => (i % 2 ? ledger : other).post(grant(`new-${i % 50}`, 1))));
    const rows = await database.sql<{ balance: number }>(
      "SELECT balance FROM v_credit_balance WHERE user_id LIKE 'new-%'",
    );
    expect(rows.map(({ balance }) => balance)).toEqual(times(50, () => 4));
  });
});

test.each([
  0,
  -1,
  1.5,
  Number.NaN,
  1e12 + 1,
  Number.POSITIVE_INFINITY,
  '5' as never,
  null as never,
])('an amount of %s is refused before anything is locked', async (amount) => {
  await expect(ledger.post(debit('odd', amount))).rejects.toMatchObject({
    code: 'invalid_request',
  });
  await expect(ledger.post(grant('odd', amount))).rejects.toMatchObject({
    code: 'invalid_request',
  });
});

test.each(['a\0b', 'a\ud800b', '', 'x'.repeat(256)])(
  'the user id %j is refused alone, and not the batch it would have travelled in',
  async (userId) => {
    const [bad, good] = await Promise.allSettled([
      ledger.post(grant(userId, 1)),
      ledger.post(grant('bystander', 1)),
    ]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'invalid_request' } });
    expect(good).toMatchObject({ status: 'fulfilled' });
  },
);

test('user ids that differ only in case, accents or width are different accounts', async () => {
  const ids = ['Åsa', 'åsa', 'asa', 'ＡＳＡ', 'A\u030Asa'];
  await Promise.all(ids.map((id, i) => ledger.post(grant(id, i + 1))));
  const balances = await Promise.all(ids.map((id) => ledger.balance(id)));
  expect(balances.map(({ balance }) => balance)).toEqual([1, 2, 3, 4, 5]);
});

test('the pages of a statement join without a gap, also while entries are added', async () => {
  for (let i = 1; i <= 25; i += 1) await ledger.post(grant('pages', i));
  const first = await ledger.entries('pages', { limit: 10, before: null });
  await ledger.post(grant('pages', 99));
  const second = await ledger.entries('pages', { limit: 10, before: first.next });
  const third = await ledger.entries('pages', { limit: 10, before: second.next });
  const seqs = [first, second, third].flatMap(({ entries }) => entries.map(({ seq }) => seq));
  expect(seqs).toEqual(times(25, (i) => 25 - i));
  expect(third.next).toBeNull();
});

test('random commands from three processes at once leave every account as its answers say', async () => {
  const ledgers = [ledger, other, createLedger({ url: database.url, pool: database.pool })];
  const user = fc.constantFrom('p1', 'p2', 'p3', 'p4');
  const key = fc.option(fc.constantFrom('a', 'b', 'c'));
  const amount = fc.integer({ min: 1, max: 20 });
  const command = fc.oneof(
    fc.record({ user, amount }).map((r) => grant(r.user, r.amount)),
    fc
      .record({ user, amount, idempotencyKey: key })
      .map(({ user: id, amount: n, idempotencyKey }) => debit(id, n, { idempotencyKey })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 80 }), async (commands) => {
      const before = await Promise.all(users.map((id) => ledger.balance(id)));
      const outcomes = await Promise.all(commands.map((one, i) => ledgers[i % 3]?.post(one)));
      const changes = new Map<string, number>();
      for (const outcome of outcomes) {
        if (!outcome?.ok || outcome.replayed) continue;
        const { userId, delta } = outcome.entry;
        changes.set(userId, (changes.get(userId) ?? 0) + delta);
      }
      const after = await Promise.all(users.map((id) => ledger.balance(id)));
      expect(after.map(({ balance }) => balance)).toEqual(
        users.map((id, i) => (before[i]?.balance ?? 0) + (changes.get(id) ?? 0)),
      );
    }),
    { numRuns: 25 },
  );
  await ledgers[2]?.close();
  expect(ledgers[2]?.counts.lockViolations).toBe(0);
  expect((await verifyLedger(database.pool)).faults).toEqual([]);
});

const users = ['p1', 'p2', 'p3', 'p4'];
