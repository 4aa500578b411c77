import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { createSweep } from '../../src/ledger/sweep.ts';
import { grant, lot } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let database: TestDatabase;
const ledgers: Ledger[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(() => database.sql('TRUNCATE sweep_schedule'));
afterAll(async () => {
  await Promise.all(ledgers.map((one) => one.close()));
  await database.drop();
});

/** A server that announces lots so many days before, as it is so many hours later. */
function boot(days: number, hours = 0) {
  const { url, pool } = database;
  const [expiringWithin, clockOffset] = [days * DAY, hours * HOUR];
  const alertRules = { lowCredits: [], expiringWithin };
  const { post, close } = createLedger({ url, pool, clockOffset, alertRules });
  ledgers.push({ close } as Ledger);
  const log = { warn: () => {} };
  const { run } = createSweep({ pool, post, expiringWithin, log, clockOffset });
  return { post, sweep: run };
}

/** What a server does that does not note its window. */
const sweepUnnoted = ({ post }: ReturnType<typeof boot>, userId: string) =>
  post({ kind: 'post_due', userId, actor: 'system', idempotencyKey: null });

const lotFor = (userId: string, days: number) =>
  grant(userId, 1, { grants: [lot(5, { expiresAt: Date.now() + days * DAY })] });

const announced = async (userId: string) =>
  (
    await database.sql(`SELECT FROM alerts WHERE type = 'credits.expiring' AND user_id = $1`, [
      userId,
    ])
  ).length;

test('lots that were scheduled by a shorter window are announced when it grows', async () => {
  const before = boot(1);
  await before.sweep();
  await before.post(lotFor('ada', 3));
  await before.post(lotFor('bob', 9));
  const [now, later] = [boot(7), boot(7, 3 * 24)];
  await now.sweep();
  expect([await announced('ada'), await announced('bob')]).toEqual([1, 0]);
  await later.sweep();
  expect([await announced('ada'), await announced('bob')]).toEqual([1, 1]);
});

test('lots are announced that a server of a release without a window has scheduled', async () => {
  await boot(0).post(lotFor('cid', 3));
  await boot(7).sweep();
  expect(await announced('cid')).toBe(1);
});

test('and lots that such a server puts off beside the new one, an hour later', async () => {
  const start = boot(7);
  await start.post(lotFor('dan', 7.01));
  await start.sweep();
  await sweepUnnoted(boot(0, 0.5), 'dan');
  await boot(7, 0.6).sweep();
  expect(await announced('dan')).toBe(0);
  await boot(7, 2).sweep();
  expect(await announced('dan')).toBe(1);
});

test('a window that shrinks and grows again is caught up with, too', async () => {
  await boot(7).sweep();
  const shorter = boot(1);
  await shorter.sweep();
  await shorter.post(lotFor('eve', 3));
  await boot(7).sweep();
  expect(await announced('eve')).toBe(1);
});

test('every account is moved once in each of two rounds, however many there are', async () => {
  await database.sql(
    `INSERT INTO stripe_customers (user_id, next_due_at)
     SELECT 'user-' || n, timestamptz '2999-01-10' FROM generate_series(1, 2500) n`,
  );
  const dueOnes = () =>
    database.sql(
      `SELECT (timestamptz '2999-01-10' - next_due_at)::text AS earlier, count(*) AS accounts
         FROM stripe_customers WHERE user_id LIKE 'user-%' GROUP BY 1`,
    );
  const servers = [boot(2), boot(2)];
  for (let i = 0; i < 2; i += 1) {
    await Promise.all(servers.map((one) => one.sweep()));
    expect(await dueOnes()).toEqual([{ earlier: '2 days', accounts: 2_500 }]);
  }
  const later = boot(2, 2);
  for (let i = 0; i < 2; i += 1) {
    await later.sweep();
    expect(await dueOnes()).toEqual([{ earlier: '4 days', accounts: 2_500 }]);
  }
});
