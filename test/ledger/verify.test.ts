import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLedger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/verify.ts';
import { debit, grant } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  const ledger = createLedger({ url: database.url, pool: database.pool });
  for (const user of ['ann', 'bob', 'eve']) {
    await ledger.post(grant(user, 100, { grantKey: `cs_${user}` }));
    for (let i = 1; i <= 5; i += 1) await ledger.post(debit(user, i, { reason: 'render' }));
  }
  await ledger.close();
});
afterAll(() => database.drop());

/** Does what only an attacker with the owner's rights can do, verifies, and puts it back. */
async function tampered(sql: string, check: () => Promise<void>): Promise<void> {
  await database.sql('CREATE TABLE kept AS TABLE credit_ledger');
  await database.sql('ALTER TABLE credit_ledger DISABLE TRIGGER credit_ledger_append_only');
  try {
    await database.sql(sql);
    await check();
  } finally {
    await database.sql('DELETE FROM credit_ledger');
    await database.sql('INSERT INTO credit_ledger SELECT * FROM kept');
    await database.sql('ALTER TABLE credit_ledger ENABLE TRIGGER credit_ledger_append_only');
    await database.sql('DROP TABLE kept');
  }
}

test('a sound ledger has no faults', async () => {
  const { accounts, entries, faults } = await verifyLedger(database.pool);
  expect({ accounts, entries, faults }).toEqual({ accounts: 3, entries: 18, faults: [] });
});

describe('verify finds', () => {
  const here = "WHERE user_id = 'bob' AND seq = 3";
  const set = (change: string) => `UPDATE credit_ledger SET ${change} ${here}`;
  test.each([
    ['a changed amount', set('delta = delta - 1'), 3, 'hash'],
    ['a changed reason', set("reason = 'refund'"), 3, 'hash'],
    ['a reason taken away', set('reason = NULL'), 3, 'hash'],
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
      "UPDATE credit_ledger SET ref = 'x' WHERE seq = 2 AND user_id <> 'bob'",
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

describe('a root', () => {
  const olderBy = (interval: string) =>
    `UPDATE credit_ledger SET created_at = created_at - interval '${interval}'`;
  const root = async () => (await verifyLedger(database.pool)).root;

  test('matches the ledger it was taken from, also after more entries', async () => {
    await tampered(olderBy('1 hour'), async () => {
      const taken = await root();
      expect(taken).toMatch(/^purser-root-1\/.+\/3\/18\/[0-9a-f]{64}$/);
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

  test('that is not one is refused in words', async () => {
    await expect(verifyLedger(database.pool, { against: 'deadbeef' })).rejects.toThrow(
      'not a root',
    );
  });
});
