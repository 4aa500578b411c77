import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Command } from '../../src/ledger/core/command.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import {
  capture,
  debit,
  grant,
  hold,
  lot,
  release,
  reverse,
  settlePayment,
} from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { recordPayment } from '../support/payment-facts.ts';

const HOUR = 3_600_000;
const alertRules = { lowCredits: [20, 5], expiringWithin: HOUR };

let database: TestDatabase;
/** Two processes each, now, in three hours and in six. */
let processes: readonly (readonly Ledger[])[];
beforeAll(async () => {
  database = await createTestDatabase();
  const { url, pool } = database;
  processes = [0, 3 * HOUR, 6 * HOUR].map((clockOffset) =>
    [1, 2].map(() => createLedger({ url, pool, clockOffset, alertRules })),
  );
});
afterAll(async () => {
  await Promise.all(processes.flat().map((one) => one.close()));
  await database.drop();
});

interface Told {
  readonly type: string;
  readonly seq: number;
  readonly data: Readonly<Record<string, unknown>>;
}

const amount = fc.integer({ min: 1, max: 30 });
const holdId = fc.constantFrom('h1', 'h2', 'h3');
const payment = fc.constantFrom('a', 'b');
const expires = fc.constantFrom(null, 2, 5);
type Make = (userId: string, now: number) => Command;
const make: fc.Arbitrary<Make> = fc.oneof(
  fc.tuple(amount, fc.option(payment), expires).map(
    ([n, key, hours]) =>
      (userId: string, now: number) =>
        grant(userId, 1, {
          grants: [lot(n, { expiresAt: hours === null ? null : now + hours * HOUR })],
          grantKey: key && `cs_${userId}_${key}`,
        }),
  ),
  { arbitrary: amount.map((n) => (userId: string) => debit(userId, n)), weight: 3 },
  fc.tuple(holdId, amount, fc.constantFrom(1, 5)).map(
    ([id, n, hours]) =>
      (userId: string) =>
        hold(userId, id, n, { seconds: hours * 3_600 }),
  ),
  fc.tuple(holdId, amount).map(
    ([id, n]) =>
      (userId: string) =>
        capture(userId, id, n, { beyond: true }),
  ),
  holdId.map((id) => (userId: string) => release(userId, id)),
  fc.integer({ min: 1, max: 9 }).map((seq) => (userId: string) => reverse(userId, seq)),
  payment.map((key) => (userId: string) => settlePayment(userId, `cs_${userId}_${key}`)),
);
const batch = fc.array(make, { minLength: 1, maxLength: 15 });
let users = 0;

test('a line is told of exactly when it is crossed, a lot once, in whatever batches things happen', async () => {
  await fc.assert(
    fc.asyncProperty(fc.tuple(batch, batch, batch), fc.nat(1_000), async (batches, refunded) => {
      const userId = `user_${users++}`;
      for (const key of ['a', 'b']) {
        await recordPayment(database, `cs_${userId}_${key}`, userId, refunded);
      }
      const now = Date.now();
      for (const [i, makes] of batches.entries()) {
        const posts = makes.map((one, n) =>
          processes[i]?.[n % 2]?.post(one(userId, now)).catch(String),
        );
        await Promise.all(posts);
      }
      const told = await database.sql<Told>(
        'SELECT type, seq, data FROM alerts WHERE user_id = $1 ORDER BY position',
        [userId],
      );
      const lows = told.filter(({ type }) => ['credits.low', 'credits.depleted'].includes(type));
      expect(lows.map(({ seq, data }) => [seq, data['threshold'] ?? 0])).toEqual(
        await crossings(userId, [...alertRules.lowCredits, 0]),
      );
      const lots = told.flatMap(({ data }) => data['lot'] ?? []);
      expect(new Set(lots).size).toBe(lots.length);
    }),
    { numRuns: 60 },
  );
});

/** By the statement alone: a line is crossed when it was above and now is not. */
async function crossings(userId: string, lines: readonly number[]) {
  const entries = await database.sql<{ seq: number; available: number }>(
    `SELECT seq, balance - held AS available FROM credit_ledger WHERE user_id = $1 ORDER BY seq`,
    [userId],
  );
  const above = new Map(lines.map((line) => [line, false]));
  return entries.flatMap(({ seq, available }) =>
    lines.flatMap((line) => {
      const was = above.get(line);
      above.set(line, available > line);
      return was && available <= line ? [[seq, line]] : [];
    }),
  );
}
