import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/verify.ts';
import { debit, grant } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type DatabaseProxy, startProxy } from '../support/proxy.ts';

let database: TestDatabase;
let proxy: DatabaseProxy;
let ledger: Ledger;
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  proxy = await startProxy(database.url);
  ledger = createLedger({ url: proxy.url, pool: database.pool, lanes: 1 });
});
afterEach(async () => {
  await proxy.comeBack();
  await ledger.close();
  expect(ledger.counts.lockViolations).toBe(0);
  expect((await verifyLedger(database.pool)).faults).toEqual([]);
  await proxy.close();
});
afterAll(() => database.drop());

const balanceOf = async (userId: string) => (await ledger.balance(userId)).balance;

/** Rejects when `promise` takes as long as a caller may be kept waiting. */
const within5s = <T>(promise: Promise<T>): Promise<T> =>
  Promise.race([
    promise,
    delay(5_000, undefined, { ref: false }).then(() => {
      throw new Error('no answer within 5 s');
    }),
  ]);

/** Holds the customer's row as another transaction would, until `release`. */
async function holdAccount(userId: string): Promise<{ release: () => Promise<void> }> {
  const holder: pg.PoolClient = await database.pool.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT FROM stripe_customers WHERE user_id = $1 FOR UPDATE', [userId]);
  return {
    release: async () => {
      await holder.query('ROLLBACK');
      holder.release();
    },
  };
}

/** Waits until a transaction of a lane waits for an account that another one holds. */
async function untilLaneWaits(): Promise<void> {
  const asleep = `SELECT FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'purser lane'
                     AND wait_event_type = 'Lock'`;
  while ((await database.sql(asleep)).length === 0) await delay(5);
}

/** What fails in the database: a key longer than an index row may be, and not to be compressed. */
const poison = () => grant('poison', 1, { grantKey: randomBytes(10_000).toString('hex') });

/** What the debits of an account took, in the order of its history. */
async function debitsOf(userId: string): Promise<number[]> {
  const { entries } = await ledger.entries(userId, { limit: 100, before: null });
  return entries.flatMap(({ kind, delta }) => (kind === 'debit' ? -delta : [])).reverse();
}

describe('when the connection dies during COMMIT', () => {
  test('and the commit took effect, the caller hears the result and nothing is done twice', async () => {
    await ledger.post(grant('answer-lost', 100));
    proxy.breakNextCommit('lose-the-answer');
    const outcomes = await Promise.all([1, 2, 3].map((n) => ledger.post(debit('answer-lost', n))));
    expect(proxy.broken()).toBe(1);
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
    expect(await balanceOf('answer-lost')).toBe(94);
  });

  test('and the commit never arrived, the command is carried out once, on a new connection', async () => {
    await ledger.post(grant('request-lost', 100));
    proxy.breakNextCommit('lose-the-request');
    expect(await ledger.post(debit('request-lost', 7))).toMatchObject({ ok: true });
    expect(proxy.broken()).toBe(1);
    expect(await balanceOf('request-lost')).toBe(93);
  });

  test('and the commit arrives late, it is waited for: nothing is done twice', async () => {
    await ledger.post(grant('late', 100));
    proxy.breakNextCommit('delay-the-request');
    const outcome = ledger.post(debit('late', 7));
    await untilLaneWaits();
    proxy.deliverCommit();
    expect(await outcome).toMatchObject({ ok: true, entry: { balance: 93 } });
    expect(await balanceOf('late')).toBe(93);
    expect(ledger.counts.unknownCommits).toBe(1);
  });

  test('of a first grant, the new customer gets it once either way', async () => {
    for (const fault of ['lose-the-answer', 'lose-the-request'] as const) {
      proxy.breakNextCommit(fault);
      expect(await ledger.post(grant(`first-${fault}`, 5))).toMatchObject({ ok: true });
      expect(await balanceOf(`first-${fault}`)).toBe(5);
    }
    expect(proxy.broken()).toBe(2);
  });

  test('with something that no driver could foresee, nothing is done twice', async () => {
    await ledger.post(grant('garbled', 100));
    proxy.breakNextCommit('garble-the-answer');
    expect(await ledger.post(debit('garbled', 3))).toMatchObject({ ok: true });
    expect(proxy.broken()).toBe(1);
    expect(await balanceOf('garbled')).toBe(97);
    expect(ledger.counts.unknownCommits).toBe(1);
  });

  test('and the way to the database is silent from then on, the lane answers and recovers', async () => {
    await ledger.post(grant('silent', 10));
    proxy.breakNextCommit('lose-the-answer');
    const answer = ledger.post(debit('silent', 1)).catch((error) => error);
    while (proxy.broken() === 0) await delay(1);
    proxy.stall();
    expect(await within5s(answer)).toMatchObject({ code: 'outcome_unknown' });
    await proxy.comeBack();
    expect(await ledger.post(debit('silent', 2))).toMatchObject({
      ok: true,
      entry: { balance: 7 },
    });
  });

  test('and the database stays away, the caller is told that the outcome is unknown', async () => {
    await ledger.post(grant('unknown', 10));
    proxy.breakNextCommit('lose-the-answer');
    const answer = ledger.post(debit('unknown', 1)).catch((error) => error);
    while (proxy.broken() === 0) await delay(1);
    await proxy.goAway();
    expect(await within5s(answer)).toMatchObject({ code: 'outcome_unknown', status: 503 });
  });
});

test('a COMMIT that the server answers with ROLLBACK is never taken for a success', async () => {
  await ledger.post(grant('rolled-back', 100));
  proxy.breakNextCommit('roll-back');
  await expect(ledger.post(debit('rolled-back', 7))).rejects.toMatchObject({
    code: 'internal_error',
  });
  expect(proxy.broken()).toBe(1);
  expect(await balanceOf('rolled-back')).toBe(100);
});

describe('the commands of an account keep their order', () => {
  test('when another transaction held it and they were put back', async () => {
    await ledger.post(grant('skipped', 100));
    const hold = await holdAccount('skipped');
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

describe('when the database is away', () => {
  test('a command is refused as unavailable, and the next one works when it is back', async () => {
    await ledger.post(grant('away', 10));
    await proxy.goAway();
    await expect(ledger.post(debit('away', 1))).rejects.toMatchObject({
      code: 'database_unavailable',
    });
    await proxy.comeBack();
    expect(await ledger.post(debit('away', 2))).toMatchObject({ ok: true });
    expect(await balanceOf('away')).toBe(8);
  });

  test('or takes no writes, everybody hears so at once, and no batch is split for it', async () => {
    await ledger.post(grant('standby', 10));
    const readOnly = (on: boolean) =>
      database.sql(
        `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ${on}',
                                    current_database()); END $$`,
      );
    await readOnly(true);
    await proxy.comeBack();
    const answers = await Promise.allSettled(
      Array.from({ length: 50 }, () => ledger.post(debit('standby', 1))),
    );
    for (const answer of answers) {
      expect(answer).toMatchObject({ reason: { code: 'database_unavailable' } });
    }
    expect(ledger.counts.splits).toBe(0);
    const writable = await database.pool.connect();
    await writable.query('SET default_transaction_read_only = off');
    writable.release();
    await readOnly(false);
    await proxy.comeBack();
    expect(await ledger.post(debit('standby', 1))).toMatchObject({ ok: true });
  });

  test('an idle connection that was cut costs nobody an error', async () => {
    await ledger.post(grant('cut', 10));
    await proxy.comeBack();
    expect(await ledger.post(debit('cut', 1))).toMatchObject({ ok: true });
  });

  test('only behind a connection that was dropped in silence, nobody hears of it', async () => {
    await ledger.post(grant('dropped', 10));
    proxy.silence();
    const answers = [0, 1, 2].map(async (wave) => {
      await delay(wave * 400);
      return within5s(ledger.post(debit('dropped', 1)));
    });
    for (const outcome of await Promise.all(answers)) expect(outcome.ok).toBe(true);
    expect(await balanceOf('dropped')).toBe(7);
  });

  test('in the same way, also who had waited long for a turn is served on a new one', async () => {
    await Promise.all([ledger.post(grant('slow', 10)), ledger.post(grant('patient', 10))]);
    await database.sql(`
      CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(1.2); RETURN NEW; END';
      CREATE TRIGGER doze BEFORE INSERT ON credit_ledger FOR EACH ROW
        WHEN (NEW.user_id = 'slow') EXECUTE FUNCTION doze()`);
    const slow = ledger.post(debit('slow', 1));
    const patient = within5s(ledger.post(debit('patient', 1)));
    await slow;
    proxy.silence();
    expect(await patient).toMatchObject({ ok: true, entry: { balance: 9 } });
    await database.sql('DROP FUNCTION doze CASCADE');
  });

  test('or hangs, every caller hears a 503 within 5 s, also those that came later', async () => {
    await ledger.post(grant('hang', 10));
    proxy.stall();
    const waves = [0, 1, 2, 3].map(async (wave) => {
      await delay(wave * 700);
      return within5s(ledger.post(debit('hang', 1)).catch((error) => error));
    });
    for (const error of await Promise.all(waves)) expect(error).toMatchObject({ status: 503 });
    await proxy.comeBack();
    expect(await ledger.post(debit('hang', 1))).toMatchObject({ ok: true });
  });
});

describe('an account that another transaction holds', () => {
  test('is waited for without keeping the others waiting', async () => {
    await Promise.all([ledger.post(grant('held', 10)), ledger.post(grant('free', 10))]);
    const hold = await holdAccount('held');
    const waiting = ledger.post(debit('held', 1));
    for (let i = 0; i < 10; i += 1) expect((await ledger.post(debit('free', 1))).ok).toBe(true);
    expect(await balanceOf('held')).toBe(10);
    await hold.release();
    expect(await waiting).toMatchObject({ ok: true, entry: { balance: 9 } });
  });

  test('gets entries that are dated after the wait, not before it', async () => {
    await ledger.post(grant('dated', 10));
    const hold = await holdAccount('dated');
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
    const hold = await holdAccount('stuck');
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
    const holds = await Promise.all(users.map(holdAccount));
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

  test('and is flooded turns the flood away at once, and nobody else', async () => {
    await Promise.all([ledger.post(grant('flooded', 5_000)), ledger.post(grant('calm', 10))]);
    const hold = await holdAccount('flooded');
    const flood = Array.from({ length: 3_000 }, () => ledger.post(debit('flooded', 1)));
    const answers = Promise.allSettled(flood);
    expect((await ledger.post(debit('calm', 1))).ok).toBe(true);
    await hold.release();
    const refused = (await answers).filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThanOrEqual(1_000);
    expect(await balanceOf('flooded')).toBe(5_000 - (3_000 - refused.length));
  });
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

test('a backend that is terminated in the middle of the work loses and doubles nothing', async () => {
  await ledger.post(grant('terminated', 10_000));
  let accepted = 0;
  const work = Array.from({ length: 20 }, async () => {
    for (let i = 0; i < 25; i += 1) {
      const outcome = await ledger.post(debit('terminated', 1)).catch(() => null);
      if (outcome?.ok) accepted += 1;
    }
  });
  const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'purser lane'`;
  for (let i = 0; i < 10; i += 1) {
    await database.sql(kill);
    await delay(5);
  }
  await Promise.all(work);
  expect(await balanceOf('terminated')).toBe(10_000 - accepted);
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
});
