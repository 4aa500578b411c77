import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { debit, grant } from '../../support/commands.ts';
import { holdAccount, holdRows, lockWaits } from '../../support/database.ts';
import {
  balanceOf,
  database,
  ledger,
  untilLaneWaits,
  useLedgerBehindProxy,
  within5s,
} from './harness.ts';

useLedgerBehindProxy();

describe('an account that another transaction holds', () => {
  test('is waited for without keeping the others waiting', async () => {
    await Promise.all([ledger.post(grant('held', 10)), ledger.post(grant('free', 10))]);
    const hold = await holdAccount(database, 'held');
    const waiting = ledger.post(debit('held', 1));
    for (let i = 0; i < 10; i += 1) expect((await ledger.post(debit('free', 1))).ok).toBe(true);
    expect(await balanceOf('held')).toBe(10);
    await hold.release();
    expect(await waiting).toMatchObject({ ok: true, entry: { balance: 9 } });
  });

  test('gets entries that are dated after the wait, not before it', async () => {
    await ledger.post(grant('dated', 10));
    const hold = await holdAccount(database, 'dated');
    const waiting = ledger.post(debit('dated', 1));
    await untilLaneWaits();
    const [{ now } = { now: Number.NaN }] = await database.sql<{ now: number }>(
      'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now',
    );
    await hold.release();
    const outcome = await waiting;
    expect(outcome.ok && outcome.entry.createdAt).toBeGreaterThanOrEqual(now);
  });

  test('for too long is refused as overloaded, and nothing was changed', async () => {
    await ledger.post(grant('stuck', 10));
    const hold = await holdAccount(database, 'stuck');
    const answers = Promise.allSettled([1, 2, 3].map((n) => ledger.post(debit('stuck', n))));
    for (const answer of await within5s(answers)) {
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'overloaded' } });
    }
    await hold.release();
    expect(await balanceOf('stuck')).toBe(10);
  });

  test('only for a moment gets its turn although others are held for good', async () => {
    const users = ['stuck-1', 'stuck-2', 'stuck-3', 'brief'];
    await Promise.all(users.map((user) => ledger.post(grant(user, 10))));
    const holds = await Promise.all(users.map((user) => holdAccount(database, user)));
    const answers = Promise.allSettled(users.map((user) => ledger.post(debit(user, 1))));
    while (ledger.counts.skips < 4 * 3) await delay(1);
    await holds[3]?.release();
    expect((await answers).map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    await Promise.all(holds.slice(0, 3).map(({ release }) => release()));
  });

  test('and is free again is not kept waiting by those that are held still', async () => {
    // More than can be waited for one after the other before they are refused.
    const users = ['free-again', ...Array.from({ length: 7 }, (_, i) => `held-still-${i}`)];
    await Promise.all(users.map((user) => ledger.post(grant(user, 10))));
    const [hold, ...others] = await Promise.all(users.map((user) => holdAccount(database, user)));
    const { skips } = ledger.counts;
    const answers = users.map((user) => ledger.post(debit(user, 1)));
    const refused = answers.slice(1).map((answer) => answer.catch(() => 'refused'));
    while (ledger.counts.skips < skips + users.length * 3) await delay(1);
    const late = ledger.post(debit('free-again', 1));
    await hold?.release();
    expect(await Promise.race([late, ...refused])).toMatchObject({ entry: { balance: 8 } });
    await Promise.all(refused);
    await Promise.all(others.map(({ release }) => release()));
  });

  test('because it is making the customer, costs nobody else an error', async () => {
    await ledger.post(grant('bystander', 10));
    const maker: pg.PoolClient = await database.pool.connect();
    await maker.query('BEGIN');
    await maker.query("INSERT INTO stripe_customers (user_id) VALUES ('in-the-making')");
    const waiting = ledger.post(grant('in-the-making', 5));
    const others = [1, 2, 3].map((n) => ledger.post(debit('bystander', n)));
    for (const outcome of await Promise.all(others)) expect(outcome.ok).toBe(true);
    await maker.query('COMMIT');
    maker.release();
    expect(await waiting).toMatchObject({ ok: true, entry: { balance: 5 } });
  });

  test('because its customer is being made, however long, is in one transaction at a time', async () => {
    const maker = await holdRows(
      database,
      "INSERT INTO stripe_customers (user_id) VALUES ('slowly-made')",
    );
    const first = ledger.post(grant('slowly-made', 5));
    // Once in a lane; the third is the second that waits for it alone.
    while (ledger.counts.rounds < 3) await delay(1);
    const second = ledger.post(debit('slowly-made', 5));
    let waitingAtOnce = 0;
    while (ledger.counts.skips < 3) {
      waitingAtOnce = Math.max(waitingAtOnce, await lockWaits(database));
    }
    await maker.release();
    expect(waitingAtOnce).toBe(1);
    expect(await first).toMatchObject({ ok: true, entry: { seq: 1 } });
    expect(await second).toMatchObject({ ok: true, entry: { seq: 2 } });
  });

  test('and is flooded turns the flood away at once, and nobody else', async () => {
    await Promise.all([ledger.post(grant('flooded', 5_000)), ledger.post(grant('calm', 10))]);
    const hold = await holdAccount(database, 'flooded');
    const flood = Array.from({ length: 3_000 }, () => ledger.post(debit('flooded', 1)));
    const answers = Promise.allSettled(flood);
    expect((await ledger.post(debit('calm', 1))).ok).toBe(true);
    await hold.release();
    const refused = (await answers).filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThanOrEqual(1_000);
    expect(await balanceOf('flooded')).toBe(5_000 - (3_000 - refused.length));
  });
});
