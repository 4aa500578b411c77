import { expect, test } from 'vitest';
import { debit, grant } from '../../support/commands.ts';
import { database, ledger, poison, proxy, useLedgerBehindProxy } from './harness.ts';

useLedgerBehindProxy();

/** The accounts' entries and alerts: of every grant exactly one must be told. */
const onRecord = () =>
  database.sql(
    `SELECT user_id, l.seq, a.type
       FROM credit_ledger l FULL JOIN alerts a USING (user_id)
      WHERE user_id LIKE 'told-%' ORDER BY user_id`,
  );
const row = (userId: string) => ({ user_id: userId, seq: 1, type: 'credits.granted' });

test('a batch that is split for one command’s sake tells of each other grant once', async () => {
  const users = ['told-1', 'told-2', 'told-3', 'told-4'];
  const [first, ...others] = users.map((userId) => grant(userId, 5));
  if (!first) throw new Error('there is a first one');
  await Promise.allSettled([debit('x', 1), first, poison(), ...others].map(ledger.post));
  expect(ledger.counts.splits).toBeGreaterThan(0);
  expect(await onRecord()).toEqual(users.map(row));
  expect(await database.sql(`SELECT FROM alerts WHERE user_id = 'poison'`)).toEqual([]);
});

test('a transaction that is rolled back tells of nothing, one with a lost answer once', async () => {
  const before = await onRecord();
  proxy.breakNextCommit('roll-back');
  await expect(ledger.post(grant('told-5', 5))).rejects.toThrow();
  expect(await onRecord()).toEqual(before);
  for (const [i, fault] of (['lose-the-answer', 'lose-the-request'] as const).entries()) {
    proxy.breakNextCommit(fault);
    await ledger.post(grant(`told-${6 + i}`, 5));
  }
  expect(await onRecord()).toEqual([...before, row('told-6'), row('told-7')]);
});
