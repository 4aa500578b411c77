import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Command } from '../../src/ledger/core/command.ts';
import { DEFAULT_LIMITS } from '../../src/ledger/core/limits.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
import { capture, debit, grant, hold, release, reverse } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createNaiveAccount } from '../support/naive-account.ts';

let database: TestDatabase;
let processes: readonly Ledger[];
beforeAll(async () => {
  database = await createTestDatabase();
  const { url, pool } = database;
  processes = [1, 2, 1].map((lanes) => createLedger({ url, pool, lanes }));
});
afterAll(async () => {
  for (const one of processes) await one.close();
  await database.drop();
});

const amount = fc.integer({ min: 1, max: 30 });
const holdId = fc.constantFrom('h1', 'h2', 'h3');
const user = fc.constantFrom('ada', 'bob', 'cid');
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.tuple(user, amount).map(([id, n]) => grant(id, n)),
  fc.tuple(user, amount).map(([id, n]) => debit(id, n)),
  fc.tuple(user, holdId, amount).map(([id, name, n]) => hold(id, name, n)),
  fc
    .tuple(user, holdId, fc.option(amount), fc.boolean())
    .map(([id, name, n, beyond]) => capture(id, name, n, { beyond })),
  fc.tuple(user, holdId).map(([id, name]) => release(id, name)),
  fc
    .tuple(user, fc.integer({ min: 1, max: 12 }), fc.option(amount))
    .map(([id, seq, n]) => reverse(id, seq, n)),
);
/** Each command with the process that gets it first; a second one gets it again at the same time. */
const traffic = fc.array(fc.tuple(command, fc.nat(2), fc.option(fc.nat(2))), {
  minLength: 1,
  maxLength: 40,
});

test('whatever several processes do at once, each key acts once, and in the order of the ledger plain arithmetic agrees', async () => {
  let lives = 0;
  await fc.assert(
    fc.asyncProperty(traffic, async (sent) => {
      lives += 1;
      const rename = (one: Command) => ({ ...one, userId: `${one.userId}-${lives}` });
      const tries = sent.map(async ([bare, first, second], i) => {
        const one = rename({ ...bare, idempotencyKey: String(i) });
        const copies = [first, ...(second === null ? [] : [second])].map((n) =>
          processes[n]?.post(one),
        );
        return { one, outcomes: await Promise.all(copies) };
      });
      const done = (await Promise.all(tries)).flatMap(({ one, outcomes }) => {
        const leads = outcomes.flatMap((outcome) => (outcome?.ok ? [outcome] : []));
        expect(new Set(leads.map(({ entry }) => entry.id)).size).toBeLessThanOrEqual(1);
        expect(leads.filter(({ replayed }) => !replayed).length).toBe(leads.length > 0 ? 1 : 0);
        return leads[0] ? [{ one, seq: leads[0].entry.seq }] : [];
      });
      for (const name of ['ada', 'bob', 'cid']) {
        const userId = `${name}-${lives}`;
        const naive = createNaiveAccount(DEFAULT_LIMITS);
        const own = done.filter(({ one }) => one.userId === userId);
        for (const { one } of own.toSorted((a, b) => a.seq - b.seq)) {
          expect(naive.carryOut(one, 0, () => 0)).toBeNull();
        }
        const { balance, held, seq } = await (processes[0] as Ledger).balance(userId);
        const expected = naive.state();
        expect({ balance, held, seq }).toEqual({
          ...{ balance: expected.balance, held: expected.held, seq: expected.seq },
        });
      }
    }),
    { numRuns: 40 },
  );
  for (const { counts } of processes) expect(counts.lockViolations).toBe(0);
  expect(await verifyLedger(database.pool)).toMatchObject({ faults: [] });
});
