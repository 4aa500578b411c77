import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { PurserError } from '../../../src/errors.ts';
import { debit, grant } from '../../support/commands.ts';
import {
  balanceOf,
  database,
  ledger,
  poison,
  proxy,
  useLedgerBehindProxy,
  within5s,
} from './harness.ts';

useLedgerBehindProxy();

test('a command that the database refuses gets the error alone; its batch is carried out', async () => {
  await ledger.post(grant('batch', 100));
  const results = await Promise.allSettled([
    ledger.post(debit('batch', 1)),
    ...[1, 2, 3].map((n) => ledger.post(debit('batch', n))),
    ledger.post(poison()),
    ...[4, 5, 6].map((n) => ledger.post(debit('batch', n))),
  ]);
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  expect(results[4]).toMatchObject({ reason: { code: 'internal_error' } });
  expect(await balanceOf('batch')).toBe(78);
  expect(ledger.counts.splits).toBeGreaterThan(0);
});

test('a transaction that is too much for its time makes the next ones smaller', async () => {
  const users = Array.from({ length: 800 }, (_, i) => `heavy-${i}`);
  await Promise.all(users.map((user) => ledger.post(grant(user, 1))));
  await database.sql(
    `CREATE FUNCTION take_4_ms() RETURNS trigger LANGUAGE plpgsql AS
       'BEGIN PERFORM pg_sleep(0.004); RETURN NEW; END'`,
  );
  await database.sql(
    `CREATE TRIGGER take_4_ms BEFORE INSERT ON credit_ledger
        FOR EACH ROW EXECUTE FUNCTION take_4_ms()`,
  );
  let left = users.map((user) => debit(user, 1));
  for (let i = 0; left.length > 0 && i < 8; i += 1) {
    const settled = await within5s(ledger.postAll(left));
    left = left.filter((_, n) => settled[n] instanceof PurserError);
  }
  await database.sql('DROP FUNCTION take_4_ms CASCADE');
  expect(left).toEqual([]);
  const [debits] = await database.sql<{ n: number }>(
    `SELECT count(*) AS n FROM credit_ledger WHERE user_id LIKE 'heavy-%' AND kind = 'debit'`,
  );
  expect(debits?.n).toBe(800);
});

test('a full queue refuses the next command of anybody, at once, and forgets none that it took', async () => {
  await ledger.post(grant('queue', 1));
  proxy.stall();
  let answered = 0;
  const post = (userId: string) =>
    ledger.post(debit(userId, 1)).finally(() => {
      answered += 1;
    });
  const { rounds } = ledger.counts;
  const underWay = post('queue-0');
  while (ledger.counts.rounds === rounds) await delay(1);
  // Of so many accounts that none is over its own bound.
  const waiting = Array.from({ length: 10_000 }, (_, i) => post(`queue-${i % 20}`));
  const settled = Promise.allSettled([underWay, ...waiting]);
  await expect(ledger.post(debit('queue', 1))).rejects.toMatchObject({ code: 'overloaded' });
  expect(answered).toBe(0);
  await proxy.comeBack();
  expect((await within5s(settled)).length).toBe(10_001);
  expect(await ledger.post(debit('queue', 1))).toMatchObject({ ok: true });
});

test('closing finishes what was accepted and refuses what comes after', async () => {
  await ledger.post(grant('closing', 500));
  const accepted = Promise.allSettled(
    Array.from({ length: 500 }, () => ledger.post(debit('closing', 1))),
  );
  const closed = ledger.close();
  await expect(ledger.post(debit('closing', 1))).rejects.toMatchObject({ code: 'overloaded' });
  await closed;
  expect((await accepted).every(({ status }) => status === 'fulfilled')).toBe(true);
  expect(await balanceOf('closing')).toBe(0);
  const [refused] = await ledger.postAll([debit('closing', 1)]);
  expect(refused).toMatchObject({ code: 'overloaded' });
});
