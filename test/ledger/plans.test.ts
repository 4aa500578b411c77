import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Command } from '../../src/ledger/core/command.ts';
import { createLedger } from '../../src/ledger/ledger.ts';
import { capture, debit, grant, hold, reverse } from '../support/commands.ts';
import { countLanes, createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const OTHERS = Array.from({ length: 300 }, (_, i) => `other-${i}`);

/** Carries out commands on connections of their own, which have told what they read when they end. */
async function post(commands: readonly Command[]): Promise<void> {
  const ledger = createLedger(database);
  for (const outcome of await Promise.all(commands.map(ledger.post))) {
    expect(outcome).toMatchObject({ ok: true });
  }
  await ledger.close();
  await expect.poll(() => countLanes(database)).toBe(0);
}

async function countRead(): Promise<number> {
  const [row] = await database.sql<{ read: number }>(
    `SELECT sum(idx_tup_read)::bigint AS read FROM pg_stat_user_indexes
      WHERE relname = 'credit_ledger'`,
  );
  return row?.read ?? 0;
}

test('a command reads a few entries, however many others have: also by plans of a young database', async () => {
  const users = [...OTHERS, 'ada'];
  await post(users.map((userId) => grant(userId, 100)));
  // From here on the planner knows of no hold, no reversal and no key.
  await database.sql('ANALYZE credit_ledger');
  await post(OTHERS.map((userId) => debit(userId, 1, { idempotencyKey: `key-${userId}` })));
  await post(OTHERS.map((userId) => reverse(userId, 2, 1)));
  await post(OTHERS.map((userId) => hold(userId, 'job', 1)));
  await post(OTHERS.map((userId) => capture(userId, 'job')));

  for (const command of [
    debit('ada', 1, { idempotencyKey: 'key' }),
    reverse('ada', 2, 1),
    hold('ada', 'job', 1),
    capture('ada', 'job'),
  ]) {
    const before = await countRead();
    await post([command]);
    expect((await countRead()) - before, command.kind).toBeLessThan(20);
  }
});
