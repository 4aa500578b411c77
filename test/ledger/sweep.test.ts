import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
import { createSweep } from '../../src/ledger/sweep.ts';
import { capture, debit, grant, hold, lot } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const HOUR = 3_600_000;
const clockOffset = 2 * HOUR;

let database: TestDatabase;
let ledger: Ledger;
let later: Ledger;
beforeAll(async () => {
  database = await createTestDatabase();
  const { url, pool } = database;
  ledger = createLedger({ url, pool });
  later = createLedger({ url, pool, clockOffset });
});
afterAll(async () => {
  expect(await verifyLedger(database.pool)).toMatchObject({ faults: [] });
  await Promise.all([ledger.close(), later.close()]);
  await database.drop();
});

const warnings: unknown[] = [];
const log = { warn: (fields: unknown) => void warnings.push(fields) };
const sweepWith = (post: Ledger['post']) =>
  createSweep({ pool: database.pool, post, expiringWithin: 0, log, clockOffset });

async function dueOf(userId: string): Promise<Date | null> {
  const [row] = await database.sql<{ next_due_at: Date | null }>(
    'SELECT next_due_at FROM stripe_customers WHERE user_id = $1',
    [userId],
  );
  return row?.next_due_at ?? null;
}

const kindsOf = async (userId: string) =>
  (
    await database.sql<{ kind: string }>(
      'SELECT kind FROM credit_ledger WHERE user_id = $1 ORDER BY seq',
      [userId],
    )
  ).map(({ kind }) => kind);

const inHours = (hours: number) => Date.now() + hours * HOUR;

test('the sweep posts what is due on accounts that nobody uses, and notes what comes next', async () => {
  const [soon, far] = [inHours(1), inHours(50)];
  const grants = [lot(5, { expiresAt: soon }), lot(7, { expiresAt: far }), lot(9)] as const;
  await ledger.post(grant('ada', 1, { grants }));
  await ledger.post(grant('bob', 10));
  await ledger.post(hold('bob', 'job', 4));
  expect(await dueOf('ada')).toEqual(new Date(soon));

  expect(await sweepWith(later.post).run()).toBe(2);
  expect(await kindsOf('ada')).toEqual(['purchase', 'purchase', 'purchase', 'expiry']);
  expect(await kindsOf('bob')).toEqual(['purchase', 'hold', 'release']);
  expect(await dueOf('ada')).toEqual(new Date(far));
  expect(await dueOf('bob')).toBeNull();
  expect(await sweepWith(later.post).run()).toBe(0);
});

test('what becomes due sooner than anything before is noted', async () => {
  await ledger.post(grant('gus', 1, { grants: [lot(5, { expiresAt: inHours(50) })] }));
  await ledger.post(hold('gus', 'job', 4, { seconds: 60 }));
  expect(Number(await dueOf('gus'))).toBeLessThan(inHours(1));
  await ledger.post(hold('gus', 'longer', 1, { seconds: 7_000 }));
  expect(Number(await dueOf('gus'))).toBeLessThan(inHours(1));
  expect(await sweepWith(later.post).run()).toBe(1);
});

test('an account on which nothing ever becomes due is never looked at', async () => {
  await ledger.post(grant('cid', 10));
  await ledger.post(debit('cid', 3));
  expect(await dueOf('cid')).toBeNull();
});

test('a hold that has ended costs no update: the sweep finds nothing to do and moves on', async () => {
  await ledger.post(grant('dan', 10));
  await ledger.post(hold('dan', 'job', 4));
  const due = await dueOf('dan');
  await ledger.post(capture('dan', 'job'));
  expect(await dueOf('dan')).toEqual(due);
  expect(await sweepWith(later.post).run()).toBe(1);
  expect(await dueOf('dan')).toBeNull();
  expect(await kindsOf('dan')).toEqual(['purchase', 'hold', 'capture']);
});

test('an account that fails is left alone for a while and does not hold up the others', async () => {
  for (const userId of ['eve', 'fay']) {
    await ledger.post(grant(userId, 1, { grants: [lot(5, { expiresAt: inHours(1) })] }));
  }
  const sweep = sweepWith(async (command) => {
    if (command.userId === 'eve') throw new Error('out of order');
    return later.post(command);
  });
  const before = inHours(2);
  await sweep.run();
  expect(await kindsOf('fay')).toEqual(['purchase', 'expiry']);
  expect(await kindsOf('eve')).toEqual(['purchase']);
  expect(Number(await dueOf('eve'))).toBeGreaterThan(before);
  expect(warnings).toMatchObject([{ user: 'eve' }]);
});
