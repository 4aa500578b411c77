import fc from 'fast-check';
import { expect, test } from 'vitest';
import { available, emptyAccount, findBrokenRule } from '../../src/ledger/core/account.ts';
import type { Command } from '../../src/ledger/core/command.ts';
import type { Category } from '../../src/ledger/core/entry.ts';
import { evolve } from '../../src/ledger/core/evolve.ts';
import { createEntryRules } from '../../src/ledger/read/entry-rules.ts';
import { fromState, toState } from '../../src/ledger/store/state.ts';
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
import { createLife, DAY, START } from '../support/life.ts';
import { createNaiveAccount } from '../support/naive-account.ts';

// Few of everything, so that what is rare meets often: debts, merged lots, lots that open again.
const LIMITS = { openLots: 4, openHolds: 3 };
const PAID = 64;

type Step =
  | { readonly do: 'post'; readonly command: Command }
  /** The n-th of what was taken so far, or an entry that took nothing. */
  | { readonly do: 'reverse'; readonly nth: number; readonly amount: number | null }
  | { readonly do: 'money'; readonly payment: string; readonly part: number }
  | { readonly do: 'wait'; readonly hours: number };

const amount = fc.integer({ min: 1, max: 40 });
const category = fc.constantFrom<Category>('purchase', 'purchase', 'included', 'bonus');
const grants = fc.array(
  fc
    .record({
      category,
      amount,
      priority: fc.constantFrom(0, 0, 0, 0, 5, -1),
      expires: fc.constantFrom(null, null, 0, 2, 9),
    })
    .map(({ expires, ...more }) =>
      lot(more.amount, { ...more, expiresAt: expires === null ? null : START + expires * DAY }),
    ),
  { minLength: 1, maxLength: 2 },
);
const payment = fc.constantFrom('cs_a', 'cs_b', 'cs_c');
const holdId = fc.constantFrom('h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'h7');

const command: fc.Arbitrary<Command> = fc.oneof(
  fc
    .tuple(grants, fc.option(payment, { freq: 3 }))
    .map(([[first = lot(1), ...rest], grantKey]) =>
      grant('u', 1, { grants: [first, ...rest], grantKey }),
    ),
  { arbitrary: amount.map((n) => debit('u', n)), weight: 2 },
  {
    arbitrary: fc
      .tuple(holdId, amount, fc.integer({ min: 1, max: 72 }))
      .map(([id, n, hours]) => hold('u', id, n, { seconds: hours * 3_600 })),
    weight: 2,
  },
  fc
    .tuple(holdId, fc.option(fc.integer({ min: 1, max: 60 })), fc.boolean())
    .map(([id, n, beyond]) => capture('u', id, n, { beyond })),
  holdId.map((id) => release('u', id)),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: command.map((one) => ({ do: 'post' as const, command: one })), weight: 6 },
  fc.record({ do: fc.constant('reverse' as const), nth: fc.nat(9), amount: fc.option(amount) }),
  fc.record({
    do: fc.constant('money' as const),
    payment,
    part: fc.constantFrom(0, 1, 20, 32, 50, PAID, PAID, PAID),
  }),
  fc.record({ do: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 60 }) }),
);
const steps = fc.array(step, { minLength: 1, maxLength: 50 });

/** Lives the steps with the ledger and with plain arithmetic, and compares them after each. */
function live(lived: readonly Step[]) {
  const life = createLife(LIMITS);
  const naive = createNaiveAccount(LIMITS);
  const parts = new Map<string, number>();
  const paid = new Set<string>();

  function post(one: Command): void {
    const decision = life.post(one);
    naive.postDue(life.now());
    const refusal = naive.carryOut(one, life.now(), (key) => (parts.get(key) ?? 0) / PAID);
    naive.postDue(life.now());
    expect(decision.ok ? null : decision.refusal.code).toBe(refusal);
    const { seq, debt, held, balance, lots } = life.account();
    expect({
      ...{ seq, debt, held, balance },
      lots: lots.map((one) => ({ seq: one.seq, category: one.category, free: one.free })),
    }).toEqual(naive.state());
  }

  for (const one of lived) {
    switch (one.do) {
      case 'post':
        // A payment grants once: the round sees to that before anything is decided.
        if (one.command.kind === 'grant' && one.command.grantKey !== null) {
          if (paid.has(one.command.grantKey)) break;
          paid.add(one.command.grantKey);
        }
        post(one.command);
        break;
      case 'reverse': {
        const taken = naive.reversible();
        post(reverse('u', taken[one.nth] ?? one.nth + 1, one.amount));
        break;
      }
      case 'money':
        parts.set(one.payment, one.part);
        life.reverse(one.payment, PAID, one.part);
        post(settlePayment('u', one.payment));
        break;
      case 'wait':
        life.wait(one.hours / 24);
    }
  }
  return life;
}

test('plain arithmetic agrees on every balance, lot and refusal, whatever is done in which order', () => {
  fc.assert(
    fc.property(steps, (lived) => void live(lived)),
    { numRuns: 4_000 },
  );
});

test('every rule of an account and of its entries holds after every entry', () => {
  fc.assert(
    fc.property(steps, (lived) => {
      let account = emptyAccount('u');
      const rules = createEntryRules();
      const { history } = live(lived);
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
    { numRuns: 500 },
  );
});
