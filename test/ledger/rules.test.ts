/**
 * Random lives of one account, decided by the ledger and by plain arithmetic. SEED replays a run;
 * fast-check says it with the shrunk life when one fails.
 */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { available, emptyAccount, findBrokenRule } from '../../src/ledger/core/account.ts';
import { type Command, MAX_BALANCE, type Outcome } from '../../src/ledger/core/command.ts';
import { evolve } from '../../src/ledger/core/evolve.ts';
import { createEntryRules } from '../../src/ledger/read/entry-rules.ts';
import { fromState, toState } from '../../src/ledger/store/state.ts';
import { type Ask, ask, commandOf, type Wait, wait } from '../support/asks.ts';
import { differing, grant, lot, settlePayment } from '../support/commands.ts';
import { createLife, DAY, START } from '../support/life.ts';
import { createNaiveLedger, type Told, toldBy } from '../support/naive-ledger.ts';
import { createTally, OUTCOMES } from '../support/tally.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
/** What fails is shrunk so long only that the test still says it. */
const RUN = { seed: SEED, interruptAfterTimeLimit: 40_000 };
// Few of everything, so that what is rare meets often: debts, merged lots, lots that open again.
const LIMITS = { openLots: 4, openHolds: 3 };
const PAID = 64;
/** What a life is made of, met by the hundred. */
const COMMON = OUTCOMES.filter((what) => /done$|^entry/.test(what));

/** What happens in one transaction, and before it. */
interface Round {
  readonly wait: Wait | null;
  /** How much of which payment is refunded by now; it may be settled at once. */
  readonly refund: {
    readonly nth: number;
    readonly amount: number;
    readonly isSettled: boolean;
  } | null;
  readonly asks: readonly Ask[];
  /** Sends the n-th of the latest commands again, or another one under its key. */
  readonly again: { readonly nth: number; readonly differs: boolean } | null;
}

interface Lived {
  /** Begins with nearly as many credits as an account can have. */
  readonly isFull: boolean;
  readonly rounds: readonly Round[];
}

const round: fc.Arbitrary<Round> = fc.record({
  wait: fc.option(wait, { freq: 2 }),
  refund: fc.oneof(
    { arbitrary: fc.constant(null), weight: 2 },
    fc.record({
      nth: fc.nat(2),
      amount: fc.constantFrom(0, 1, 20, 32, 50, PAID, PAID),
      isSettled: fc.boolean(),
    }),
  ),
  asks: fc.array(ask, { minLength: 1, maxLength: 3 }),
  again: fc.oneof(
    { arbitrary: fc.constant(null), weight: 3 },
    fc.record({ nth: fc.nat(3), differs: fc.boolean() }),
  ),
});
const lived: fc.Arbitrary<Lived> = fc.record({
  isFull: fc.constantFrom(false, false, false, false, false, false, true),
  rounds: fc.array(round, { minLength: 1, maxLength: 40, size: 'max' }),
});

/** Lives with the ledger and with plain arithmetic, and compares them after each transaction. */
function live({ isFull, rounds }: Lived, tally = createTally()) {
  const life = createLife(LIMITS);
  const model = createNaiveLedger(LIMITS);
  const sent: Command[] = [];

  function postTogether(commands: readonly Command[], expected: readonly Told[]): void {
    const before = life.history.length;
    const outcomes = life.postTogether(commands);
    const { userId, updatedAt, ...account } = life.account();
    const written = life.history.slice(before);
    const done = commands.map((command, i) => ({ command, outcome: outcomes[i] as Outcome }));
    const leads = done.flatMap(({ command, outcome }) =>
      outcome.ok && !outcome.replayed ? [{ command, entry: outcome.entry }] : [],
    );
    expectEqual(
      {
        ...{ told: outcomes.map(toldBy), account },
        lots: written.map(({ lot }) => lot),
        leads: leads.map(({ entry }) => entry),
        isSweptTooLate: (life.sweptAt() ?? Infinity) > (model.nextDue() ?? Infinity),
      },
      {
        ...{ told: expected, account: model.state() },
        lots: written.map(({ seq }) => model.broughtTo(seq)),
        leads: leads.map(({ command, entry }) => ({ ...entry, ...echoOf(command) })),
        isSweptTooLate: false,
      },
    );
    for (const { command, outcome } of done) tally.add(command, outcome);
    written.forEach(tally.addEntry);
    sent.unshift(...commands);
  }

  function sweep(): void {
    model.postDue(life.now());
    life.postDue();
    expect(life.sweptAt()).toBe(model.nextDue());
  }

  function waitFor(one: Wait): void {
    const due = model.nextDue() ?? life.now() + DAY;
    const until = one.until === 'due' ? due : due - 1;
    life.wait(one.until === 'later' ? one.hours / 24 : (until - life.now()) / DAY);
  }

  if (isFull) {
    const full = grant('u', 1, { grants: [lot(MAX_BALANCE - 30, { priority: 9 })] });
    postTogether([full], [model.post(full, life.now())]);
  }
  for (const [i, { wait, refund, asks, again }] of rounds.entries()) {
    if (wait) waitFor(wait);
    if (i % 8 === 7) sweep();
    const commands: Command[] = [];
    const expected: Told[] = [];
    const post = (command: Command) => {
      commands.push(command);
      expected.push(model.post(command, life.now()));
    };
    const { payments } = model.known();
    const payment = refund && payments.at(-1 - refund.nth);
    if (payment) {
      model.parts.set(payment, refund.amount / PAID);
      life.reverse(payment, PAID, refund.amount);
      if (refund.isSettled) post(settlePayment('u', payment));
    }
    for (const [n, one] of asks.entries()) {
      const asked = { userId: 'u', now: life.now(), dayOne: START, number: `${i}-${n}` };
      post(commandOf(one, model.known(), asked));
    }
    const old = again && sent[again.nth];
    if (old) post(again.differs ? differing(old) : old);
    postTogether(commands, expected);
  }
  return life;
}

/** Measured: `expect` alone takes longer than all the rest. */
function expectEqual(actual: object, expected: object): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

/** What its lead entry says again of a command. */
function echoOf(command: Command): object {
  if (command.kind === 'grant') {
    const { actor, grantKey, stripeEventId, grants } = command;
    const { reason, ref, metadata, invoiceLine } = grants[0];
    return { actor, grantKey, stripeEventId, reason, ref, metadata, invoiceLine };
  }
  const { kind, amount, seconds, beyond, idempotencyKey, ...same } = {
    ...{ amount: 0, seconds: 0, beyond: false },
    ...command,
  };
  return same;
}

test('plain arithmetic agrees on every balance, lot, hold and refusal, whatever is done in which order', () => {
  const tally = createTally();
  fc.assert(
    fc.property(lived, (one) => void live(one, tally)),
    { numRuns: 2_600, ...RUN },
  );
  expect(tally.commands(), `SEED=${SEED}`).toBeGreaterThan(100_000);
  expect(tally.rarerThan(5, OUTCOMES), `SEED=${SEED}`).toEqual({});
  expect(tally.rarerThan(500, COMMON), `SEED=${SEED}`).toEqual({});
});

test('every rule of an account and of its entries holds after every entry', () => {
  fc.assert(
    fc.property(lived, (one) => {
      let account = emptyAccount('u');
      const rules = createEntryRules();
      const { history } = live(one);
      for (const [i, entry] of history.entries()) {
        const target = history.find(({ seq }) => seq === entry.reversesSeq);
        const given = history
          .slice(0, i + 1)
          .filter(({ reversesSeq }) => reversesSeq === entry.reversesSeq)
          .reduce((sum, { delta }) => sum + delta, 0);
        expect(rules.findBroken(account, entry, target ? { ...target, given } : null)).toBeNull();
        account = evolve(account, entry);
        expect(entry).toMatchObject({ seq: i + 1, balance: account.balance, held: account.held });
        expect(findBrokenRule(account)).toBeNull();
        if (entry.kind === 'debit' || entry.kind === 'hold') {
          expect(available(account)).toBeGreaterThanOrEqual(0);
        }
        expect(fromState(JSON.parse(JSON.stringify(toState(account))))).toEqual({
          ...{ debt: account.debt, lots: account.lots, holds: account.holds },
        });
      }
    }),
    { numRuns: 200, ...RUN },
  );
});
