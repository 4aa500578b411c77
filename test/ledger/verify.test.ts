import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createLedger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
import { chainHash, GENESIS, hashNote } from '../../src/ledger/store/chain.ts';
import { ENTRY_COLUMNS, type EntryRow, toEntry } from '../../src/ledger/store/entry-row.ts';
import { debit, grant, lot } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  const ledger = createLedger({ url: database.url, pool: database.pool });
  for (const user of ['ann', 'bob', 'eve']) {
    await ledger.post(grant(user, 100, { grantKey: `cs_${user}` }));
    for (let i = 1; i <= 5; i += 1) {
      await ledger.post(
        debit(user, i, { reason: 'render', ref: 'job', metadata: { 10: 'a', 9: 'b' } }),
      );
    }
  }
  await ledger.post(grant('dan', 0, { grants: [lot(100), lot(10, { category: 'bonus' })] }));
  for (const amount of [4, 2, 3]) await ledger.post(debit('dan', amount));
  await ledger.close();
});
afterAll(() => database.drop());

/** Does what only an attacker with the owner's rights can do, verifies, and puts it back. */
async function tampered(sql: string, check: () => Promise<void>): Promise<void> {
  await database.sql('CREATE TABLE kept AS TABLE credit_ledger');
  await database.sql('ALTER TABLE credit_ledger DISABLE TRIGGER USER');
  try {
    await database.sql(sql);
    await check();
  } finally {
    await database.sql('DELETE FROM credit_ledger');
    await database.sql('INSERT INTO credit_ledger SELECT * FROM kept');
    await database.sql('ALTER TABLE credit_ledger ENABLE TRIGGER USER');
    await database.sql('DROP TABLE kept');
  }
}

test('a sound ledger has no faults', async () => {
  const { accounts, entries, faults } = await verifyLedger(database.pool);
  expect({ accounts, entries, faults }).toEqual({ accounts: 4, entries: 23, faults: [] });
});

test('a ledger whose texts were erased is sound', async () => {
  const sql = 'UPDATE credit_ledger SET reason = NULL, ref = NULL, metadata = NULL';
  await tampered('ALTER TABLE credit_ledger ENABLE TRIGGER USER', async () => {
    await database.sql(`${sql} WHERE user_id = 'bob' AND seq > 2`);
    const erased = await database.sql('SELECT 1 FROM credit_ledger WHERE seq > 1 AND ref IS NULL');
    expect(erased).toHaveLength(4 + 4);
    expect((await verifyLedger(database.pool)).faults).toEqual([]);
    await database.sql('ALTER TABLE credit_ledger DISABLE TRIGGER USER');
  });
});

describe('verify finds', () => {
  const here = "WHERE user_id = 'bob' AND seq = 3";
  const set = (change: string) => `UPDATE credit_ledger SET ${change} ${here}`;
  test.each([
    ['a changed amount', set('delta = delta - 1'), 3, 'hash'],
    ['a changed reason', set("reason = 'refund'"), 3, 'text'],
    ['one text of three taken away', set('reason = NULL'), 3, 'text'],
    ['changed metadata', set(`metadata = '{"9": "a", "10": "b"}'`), 3, 'text'],
    ["a changed hash of an entry's texts", set("note_hash = sha256('x')"), 3, 'hash'],
    ['a changed time', set("created_at = created_at + interval '1 ms'"), 3, 'hash'],
    ['a changed actor', set("actor = 'system'"), 3, 'hash'],
    ['a changed draw', set(`draws = '[{"lot": 1, "amount": 1}]'`), 3, 'hash'],
    ['a changed hash', set("hash = sha256('x')"), 3, 'hash'],
    ['a removed entry', `DELETE FROM credit_ledger ${here}`, 4, 'missing'],
    [
      'a removed beginning',
      "DELETE FROM credit_ledger WHERE user_id = 'bob' AND seq < 3",
      3,
      'missing',
    ],
    ['a changed state', set(`state = '{"debt": 0, "lots": []}'`), 3, 'state'],
    [
      'a state taken from the newest entry',
      set('state = NULL').replace('seq = 3', 'seq = 6'),
      6,
      'state',
    ],
  ])('%s, and names the entry', async (_, sql, seq, what) => {
    await tampered(sql, async () => {
      const { faults } = await verifyLedger(database.pool);
      expect(faults).toEqual([{ userId: 'bob', seq, what: expect.stringContaining(what) }]);
    });
  });

  test('a fault in each of two accounts', async () => {
    await tampered(
      "UPDATE credit_ledger SET ref = 'x' WHERE seq = 2 AND user_id IN ('ann', 'eve')",
      async () => {
        const { faults } = await verifyLedger(database.pool);
        expect(faults.map(({ userId, seq }) => [userId, seq])).toEqual([
          ['ann', 2],
          ['eve', 2],
        ]);
      },
    );
  });
});

/** Makes the account's hashes anew, as who owns the database can: only the rules tell then. */
async function rehash(userId: string): Promise<void> {
  let previous = GENESIS;
  const select = `SELECT ${ENTRY_COLUMNS} FROM credit_ledger WHERE user_id = $1 ORDER BY seq`;
  for (const row of await database.sql<EntryRow>(select, [userId])) {
    const entry = toEntry(row);
    previous = chainHash(previous, entry);
    await database.sql(
      `UPDATE credit_ledger SET hash = decode($3, 'hex'), note_hash = decode($4, 'hex')
        WHERE user_id = $1 AND seq = $2`,
      [userId, entry.seq, previous, hashNote(entry)],
    );
  }
}

describe('verify finds, though all hashes were made anew,', () => {
  const set = (seq: number, change: string) =>
    `UPDATE credit_ledger SET ${change} WHERE user_id = 'dan' AND seq = ${seq}`;
  const drawn = (...draws: [lot: number, amount: number][]) =>
    `draws = '${JSON.stringify(draws.map(([lot, amount]) => ({ lot, amount })))}'`;

  // Entries 1 and 2 are one command that opens lot 1, of 100, and lot 2, of 10; 3, 4 and 5 take
  // 4, 2 and 3 from lot 2.
  test.each([
    ['a gap', "DELETE FROM credit_ledger WHERE user_id = 'dan' AND seq = 3", 4, 'missing'],
    ['another balance', set(3, 'balance = balance + 1'), 3, 'balance 107, held 0; its history'],
    ['other held credits', set(3, 'held = 1, state = NULL'), 3, 'balance 106, held 1; its history'],
    ['an earlier time', set(3, "created_at = created_at - interval '1 hour'"), 3, 'dated before'],
    ['a lead that follows another', set(3, 'lead_seq = 2'), 3, 'entry 2 leads'],
    ['a lead of an earlier command', set(4, 'lead_seq = 1'), 4, 'entry 1 leads'],
    ['a lead before the first entry', set(1, 'lead_seq = 0'), 1, 'entry 0 leads'],
    ['a draw on an unknown lot', set(5, drawn([999, 3])), 5, 'not open'],
    ['two draws on one lot', set(5, drawn([2, 2], [2, 1])), 5, 'twice'],
    ['draws that mean nothing', set(5, drawn([1, 7777], [999, 5])), 5, 'not open'],
    ['draws of less than the debit', set(5, drawn([2, 2])), 5, 'draws 2 for a change of -3'],
    ['draws of more than the debit', set(5, drawn([2, 4])), 5, 'draws 4 for a change of -3'],
    ['a draw that gives', set(5, drawn([2, 4], [1, -1])), 5, 'less from a lot'],
    ['a grant that draws', set(2, drawn([1, 1])), 2, 'it draws on lots'],
    [
      'a lot with less than nothing',
      set(5, `delta = -50, balance = 54, ${drawn([2, 50])}`),
      5,
      'never over-drawn',
    ],
    ['a grant into no lot', set(2, 'lot = 999'), 2, 'balance = free credits'],
    ['another state', set(5, `state = '{"debt": 0, "lots": []}'`), 5, 'state'],
    ['no state', set(5, 'state = NULL'), 5, 'no state'],
  ])('%s', (_, sql, seq, what) => findsForgery(sql, seq, what));

  test('an overdraft', async () => {
    const rule = await database.sql(
      "SELECT pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE conname = 'never_overdrawn'",
    );
    await database.sql('ALTER TABLE credit_ledger DROP CONSTRAINT never_overdrawn');
    const sql = set(5, `delta = -1000, balance = -896, ${drawn([2, 1000])}`);
    await findsForgery(sql, 5, 'overdraws').finally(() =>
      database.sql(`ALTER TABLE credit_ledger ADD CONSTRAINT never_overdrawn ${rule[0]?.['def']}`),
    );
  });

  async function findsForgery(sql: string, seq: number, what: string): Promise<void> {
    await tampered(sql, async () => {
      await rehash('dan');
      const { faults } = await verifyLedger(database.pool);
      expect(faults).toEqual([{ userId: 'dan', seq, what: expect.stringContaining(what) }]);
    });
  }
});

describe('a root', () => {
  const olderBy = (interval: string) =>
    `UPDATE credit_ledger SET created_at = created_at - interval '${interval}'`;
  const root = async () => (await verifyLedger(database.pool)).root;

  test('matches the ledger it was taken from, also after more entries', async () => {
    await tampered(olderBy('1 hour'), async () => {
      const taken = await root();
      expect(taken).toMatch(/^purser-root-1\/.+\/4\/23\/[0-9a-f]{64}$/);
      const ledger = createLedger({ url: database.url, pool: database.pool });
      await ledger.post(debit('ann', 1));
      await ledger.post(grant('new', 1));
      await ledger.close();
      expect((await verifyLedger(database.pool, { against: taken })).matches).toBe(true);
      // Put back what `tampered` cannot know of.
      await database.sql('DELETE FROM credit_ledger WHERE seq > 6 OR user_id = $1', ['new']);
    });
  });

  test.each([
    [
      'a chain that was cut off at its end',
      "DELETE FROM credit_ledger WHERE user_id = 'eve' AND seq > 4",
    ],
    ['an account that was removed as a whole', "DELETE FROM credit_ledger WHERE user_id = 'eve'"],
    [
      'a head that was rewritten',
      "UPDATE credit_ledger SET hash = sha256('x') WHERE user_id = 'ann' AND seq = 6",
    ],
  ])('finds %s', async (_, sql) => {
    await tampered(olderBy('1 hour'), async () => {
      const taken = await root();
      await database.sql(sql);
      expect((await verifyLedger(database.pool, { against: taken })).matches).toBe(false);
    });
  });

  test("speaks of a moment by the database's clock, whatever this process's says", async () => {
    const today = new Date().toISOString().slice(0, 4);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2001-01-01') });
    try {
      expect(await root()).toMatch(`purser-root-1/${today}`);
    } finally {
      vi.useRealTimers();
    }
  });

  test('that is not one is refused in words', async () => {
    await expect(verifyLedger(database.pool, { against: 'deadbeef' })).rejects.toThrow(
      'not a root',
    );
  });
});
