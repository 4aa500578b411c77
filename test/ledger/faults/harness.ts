import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { createLedger, type Ledger } from '../../../src/ledger/ledger.ts';
import { verifyLedger } from '../../../src/ledger/read/verify.ts';
import { grant } from '../../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type DatabaseProxy, startProxy } from '../../support/proxy.ts';

export let database: TestDatabase;
/** What lies between the ledger and its database, and breaks on demand. */
export let proxy: DatabaseProxy;
export let ledger: Ledger;

/** Gives each test a ledger behind a proxy, and holds after each that the history is sound. */
export function useLedgerBehindProxy(): void {
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
}

export const balanceOf = async (userId: string) => (await ledger.balance(userId)).balance;

/** Rejects when `promise` takes as long as a caller may be kept waiting. */
export const within5s = <T>(promise: Promise<T>): Promise<T> =>
  Promise.race([
    promise,
    delay(5_000, undefined, { ref: false }).then(() => {
      throw new Error('no answer within 5 s');
    }),
  ]);

/** Waits until a transaction of a lane waits for an account that another one holds. */
export async function untilLaneWaits(): Promise<void> {
  const asleep = `SELECT FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'purser lane'
                     AND wait_event_type = 'Lock'`;
  while ((await database.sql(asleep)).length === 0) await delay(5);
}

/** What fails in the database: a key longer than an index row may be, and not to be compressed. */
export const poison = () => grant('poison', 1, { grantKey: randomBytes(10_000).toString('hex') });
