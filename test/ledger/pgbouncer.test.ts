import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { createLedger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
import { debit, grant } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startPgBouncer } from '../support/pgbouncer.ts';

const program = process.env['PGBOUNCER'];
if (!program) console.warn('PGBOUNCER is not set: not tested behind a pooler in transaction mode');

describe.skipIf(!program)('behind PgBouncer in transaction mode', () => {
  let database: TestDatabase;
  let bouncer: Awaited<ReturnType<typeof startPgBouncer>>;
  beforeAll(async () => {
    database = await createTestDatabase();
    bouncer = await startPgBouncer(program ?? '', database.url);
  });
  afterAll(async () => {
    await bouncer.stop();
    await database.drop();
  });

  test('the lanes share its few connections, and nothing is lost, doubled or overdrawn', async () => {
    const { url } = bouncer;
    const pool = createPool({ url, size: 5, onError: () => {} });
    const ledgers = [0, 1, 2].map(() => createLedger({ url, pool }));
    const users = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(users.map((user) => ledgers[0]?.post(grant(user, 100, { grantKey: user }))));
    const outcomes = await Promise.all(
      Array.from({ length: 900 }, (_, i) =>
        ledgers[i % 3]?.post(debit(users[i % 5] ?? '', 1, { idempotencyKey: `${i % 600}` })),
      ),
    );
    expect(outcomes.filter((one) => one?.ok && !one.replayed)).toHaveLength(500);
    expect(await ledgers[0]?.balance('a')).toMatchObject({ balance: 0 });
    await Promise.all(ledgers.map((ledger) => ledger.close()));
    for (const { counts } of ledgers) expect(counts.lockViolations).toBe(0);
    expect(await verifyLedger(pool)).toMatchObject({ accounts: 5, entries: 505, faults: [] });
    await pool.end();
  });
});
