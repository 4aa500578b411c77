import { describe, expect, test } from 'vitest';
import { debit, grant } from '../../support/commands.ts';
import { holdAccount } from '../../support/database.ts';
import {
  database,
  ledger,
  poison,
  proxy,
  untilLaneWaits,
  useLedgerBehindProxy,
} from './harness.ts';

useLedgerBehindProxy();

/** What the debits of an account took, in the order of its history. */
async function debitsOf(userId: string): Promise<number[]> {
  const { entries } = await ledger.entries(userId, { limit: 100, before: null });
  return entries.flatMap(({ kind, delta }) => (kind === 'debit' ? -delta : [])).reverse();
}

describe('the commands of an account keep their order', () => {
  test('when another transaction held it and they were put back', async () => {
    await ledger.post(grant('skipped', 100));
    const hold = await holdAccount(database, 'skipped');
    const early = [1, 2, 3].map((n) => ledger.post(debit('skipped', n)));
    await untilLaneWaits();
    const late = [4, 5, 6].map((n) => ledger.post(debit('skipped', n)));
    await hold.release();
    await Promise.all([...early, ...late]);
    expect(await debitsOf('skipped')).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('when their batch failed and they were put back', async () => {
    await ledger.post(grant('failed', 100));
    const first = ledger.post(debit('failed', 1));
    const batch = [2, 3, 4].map((n) => ledger.post(debit('failed', n)));
    await first;
    proxy.breakNextCommit('lose-the-request');
    const late = [5, 6].map((n) => ledger.post(debit('failed', n)));
    await Promise.all([...batch, ...late]);
    expect(proxy.broken()).toBe(1);
    expect(await debitsOf('failed')).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('when their batch was split and its first half failed once more', async () => {
    await ledger.post(grant('split', 100));
    // As a deadlock would: the first entry of the batch fails when its half is tried.
    await database.sql('CREATE SEQUENCE tries');
    await database.sql(`
      CREATE FUNCTION fail_the_second_try() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.delta = -1 AND nextval('tries') = 2 THEN
          RAISE EXCEPTION USING ERRCODE = 'deadlock_detected';
        END IF;
        RETURN NEW;
      END $$`);
    await database.sql(`
      CREATE TRIGGER hiccup BEFORE INSERT ON credit_ledger
         FOR EACH ROW WHEN (NEW.user_id = 'split') EXECUTE FUNCTION fail_the_second_try()`);
    const results = await Promise.allSettled([
      ledger.post(debit('other', 1)),
      ...[1, 2, 3].map((n) => ledger.post(debit('split', n))),
      ledger.post(poison()),
      ...[4, 5, 6].map((n) => ledger.post(debit('split', n))),
    ]);
    await database.sql('DROP TRIGGER hiccup ON credit_ledger');
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(ledger.counts.splits).toBeGreaterThan(0);
    expect(await debitsOf('split')).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
