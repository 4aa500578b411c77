/**
 * Random commands to a few accounts from several processes at once, in waves. SEED replays what is
 * asked for, though not which process comes first.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Command } from '../../src/ledger/core/command.ts';
import type { Entry } from '../../src/ledger/core/entry.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
import { type Ask, ask, commandOf, type Known } from '../support/asks.ts';
import { differing, settlePayment } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type LedgerProcess, startLedgerProcess } from '../support/ledger-processes.ts';
import { recordPayment } from '../support/payment-facts.ts';
import { createTally, OUTCOMES } from '../support/tally.ts';
import { createWitness, type Sent } from '../support/witness.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const LIMITS = { openLots: 4, openHolds: 3 };
const HOUR = 3_600_000;
/** How far the clocks of the processes are apart, in hours. */
const CLOCKS = [0, 2, 1] as const;

const DONE = OUTCOMES.filter((what) => what.endsWith('done'));
/** What is so rare that only the account alone meets it for sure, in test/ledger/rules.test.ts. */
const RARE = new Set([
  ...['grant: balance_limit', 'reverse: balance_limit'],
  ...['capture: insufficient_credits', 'capture: capture_exceeds_hold'],
  ...['hold', 'capture', 'release', 'reverse'].flatMap((kind) => [
    `${kind}: replayed`,
    `${kind}: idempotency_conflict`,
  ]),
]);
const COMMON = OUTCOMES.filter((what) => !RARE.has(what));

let database: TestDatabase;
/** For reads. */
let ledger: Ledger;
let processes: readonly LedgerProcess[];
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = createLedger(database);
  processes = CLOCKS.map(() => startLedgerProcess());
});
afterAll(async () => {
  for (const one of processes) await one.stop();
  await ledger.close();
  await database.drop();
});

/** A request, which process gets it, and perhaps another one under its keys at the same time. */
interface Request {
  readonly account: number;
  readonly ask: Ask;
  readonly process: number;
  readonly copy: { readonly process: number; readonly differs: boolean } | null;
}

/** What happens at once. */
interface Wave {
  /** How many hours after the wave before. */
  readonly hours: number;
  /** Of which account's payment how many tenths of a percent are refunded by now. */
  readonly refund: { readonly account: number; readonly nth: number; readonly amount: number };
  readonly requests: readonly Request[];
}

const account = fc.nat(1);
const onProcess = fc.nat(CLOCKS.length - 1);
const request: fc.Arbitrary<Request> = fc.record({
  ...{ account, ask, process: onProcess },
  copy: fc.option(fc.record({ process: onProcess, differs: fc.constantFrom(false, false, true) }), {
    freq: 2,
  }),
});
const wave: fc.Arbitrary<Wave> = fc.record({
  hours: fc.constantFrom(0, 0, 1, 6, 30),
  refund: fc.record({
    ...{ account, nth: fc.constantFrom(0, 0, 0, 1) },
    amount: fc.constantFrom(0, 0, 125, 500, 875, 1_000, 1_000),
  }),
  requests: fc.array(request, { minLength: 10, maxLength: 24, size: 'max' }),
});
const waves = fc.array(wave, { minLength: 8, maxLength: 12, size: 'max' });

interface Watched {
  readonly userId: string;
  readonly witness: ReturnType<typeof createWitness>;
  readonly parts: Map<string, number>;
}

async function historyOf(userId: string): Promise<readonly Entry[]> {
  const { entries, next } = await ledger.entries(userId, { limit: 1_000, before: null });
  expect(next).toBeNull();
  return entries.toReversed();
}

async function expectAsWitnessed({ userId, witness }: Watched): Promise<void> {
  const { seq, lots, holds, balance, held, available } = await ledger.balance(userId);
  const { debt, ...state } = witness.liveAgain().state();
  expect({
    ...{ seq, balance, held, holds, available },
    lots: lots.toSorted((a, b) => a.seq - b.seq),
  }).toEqual({ ...state, available: state.balance - state.held });
}

test('whatever several processes do at once, plain arithmetic agrees in the order of the ledger on every balance, lot, hold and refusal', async () => {
  const tally = createTally();
  let lives = 0;

  async function live(all: readonly Wave[]): Promise<void> {
    lives += 1;
    const dayOne = Date.now() - 12.5 * HOUR;
    const accounts: readonly Watched[] = ['ada', 'bob'].map((name) => ({
      userId: `${name}-${lives}`,
      witness: createWitness(LIMITS),
      parts: new Map(),
    }));
    let ahead = 0;
    for (const [i, { hours, refund, requests }] of all.entries()) {
      ahead += hours * HOUR;
      const clocks = CLOCKS.map((more) => ahead + more * HOUR);
      if (i === 0 || hours > 0) {
        await Promise.all(
          processes.map((one, n) => one.open(database.url, LIMITS, clocks[n] ?? 0)),
        );
      }
      const settling = await refundOf(accounts, refund);
      const known = accounts.map(({ witness }) => witness.liveAgain().known());
      const sending = requests.flatMap(({ ask, copy, ...to }, n) => {
        const userId = accounts[to.account]?.userId ?? '';
        const number = `${lives}-${i}-${n}`;
        const asked = { userId, now: Date.now() + ahead, dayOne, number };
        const command = commandOf(ask, known[to.account] as Known, asked);
        const other = copy && { command: copy.differs ? differing(command) : command, ...copy };
        return [{ command, process: to.process }, ...(other ? [other] : [])];
      });
      const sent = await Promise.all(
        [...settling, ...sending].map(async ({ command, process }): Promise<Sent> => {
          const outcome = await (processes[process] as LedgerProcess).post(command);
          return { command, outcome, now: Date.now() + (clocks[process] ?? 0) };
        }),
      );
      for (const one of accounts) {
        const own = sent.filter(({ command }) => command.userId === one.userId);
        const history = await historyOf(one.userId);
        const { seq } = one.witness.liveAgain().known();
        one.witness.watch(history, own, one.parts);
        await expectAsWitnessed(one);
        history.slice(seq).forEach(tally.addEntry);
      }
      for (const { command, outcome } of sent) tally.add(command, outcome);
      expect(await verifyLedger(database.pool)).toMatchObject({ faults: [] });
    }
  }

  // What a process does first cannot be replayed, so there is nothing to shrink.
  await fc.assert(fc.asyncProperty(waves, live), { numRuns: 8, seed: SEED, endOnFailure: true });
  expect(processes.map((one) => one.lockViolations())).toEqual([0, 0, 0]);
  expect(tally.commands(), `SEED=${SEED}`).toBeGreaterThan(1_200);
  expect(tally.rarerThan(1, COMMON), `SEED=${SEED}`).toEqual({});
  expect(tally.rarerThan(10, DONE), `SEED=${SEED}`).toEqual({});
});

/** Two processes settle it at once. */
async function refundOf(
  accounts: readonly Watched[],
  { account, nth, amount }: Wave['refund'],
): Promise<readonly { readonly command: Command; readonly process: number }[]> {
  const { userId, witness, parts } = accounts[account] as Watched;
  const payment = witness.liveAgain().known().payments[nth];
  if (!payment) return [];
  await recordPayment(database, payment, userId, amount);
  parts.set(payment, amount / 1_000);
  return [0, 1].map((process) => ({ command: settlePayment(userId, payment), process }));
}
