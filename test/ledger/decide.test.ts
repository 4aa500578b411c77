import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { available, emptyAccount, findBrokenRule } from '../../src/ledger/core/account.ts';
import {
  type Command,
  type DebitCommand,
  type GrantCommand,
  MAX_AMOUNT,
  MAX_BALANCE,
} from '../../src/ledger/core/command.ts';
import { decide } from '../../src/ledger/core/decide/decide.ts';
import type { Category, Entry } from '../../src/ledger/core/entry.ts';
import { evolve } from '../../src/ledger/core/evolve.ts';
import { DEFAULT_LIMITS } from '../../src/ledger/core/limits.ts';
import { debit, grant, lot } from '../support/commands.ts';

const around = {
  now: 1_700_000_000_000,
  newId: () => '00000000-0000-4000-8000-000000000000',
  limits: DEFAULT_LIMITS,
  payment: () => null,
  hold: () => [],
  entry: () => null,
  reversing: () => [],
  joining: () => [],
};
const { openLots: MAX_OPEN_LOTS } = DEFAULT_LIMITS;

/** Runs commands one after the other, as the lane does; returns the history and the account. */
function live(commands: readonly Command[]) {
  let account = emptyAccount('u');
  const history: Entry[] = [];
  const accepted: boolean[] = [];
  for (const command of commands) {
    const decision = decide(account, command, around);
    accepted.push(decision.ok);
    if (!decision.ok) continue;
    history.push(...decision.entries);
    account = decision.account;
  }
  return { account, history, accepted };
}

const category = fc.constantFrom<Category>('purchase', 'included', 'bonus', 'adjustment');
const amount = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: MAX_AMOUNT }));
const grants = fc
  .array(fc.tuple(category, amount), { minLength: 1, maxLength: 4 })
  .map((lots) => lots.map(([category, amount]) => lot(amount, { category })))
  .map(([first = lot(1), ...rest]) => grant('u', 1, { grants: [first, ...rest] }));
const command: fc.Arbitrary<GrantCommand | DebitCommand> = fc.oneof(
  grants,
  amount.map((n) => debit('u', n)),
);
const lives = fc.array(command, { maxLength: 60 });

describe('decide, whatever the commands', () => {
  test('agrees with plain arithmetic on every balance and every refusal', () => {
    fc.assert(
      fc.property(lives, (commands) => {
        let balance = 0;
        const expected = commands.map((one) => {
          const change =
            one.kind === 'debit' ? -one.amount : one.grants.reduce((sum, g) => sum + g.amount, 0);
          if (balance + change < 0 || balance + change > MAX_BALANCE) return false;
          balance += change;
          return true;
        });
        const { account, accepted } = live(commands);
        expect(accepted).toEqual(expected);
        expect(account.balance).toBe(balance);
      }),
      { numRuns: 2_000 },
    );
  });

  test('keeps every rule of an account after every entry, and numbers entries without gaps', () => {
    fc.assert(
      fc.property(lives, (commands) => {
        let account = emptyAccount('u');
        for (const [i, entry] of live(commands).history.entries()) {
          account = evolve(account, entry);
          expect(entry.seq).toBe(i + 1);
          expect(entry.balance).toBe(account.balance);
          expect(findBrokenRule(account)).toBeNull();
          if (entry.kind === 'debit') expect(available(account)).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('leaves the account that the fold of its history gives', () => {
    fc.assert(
      fc.property(lives, (commands) => {
        const { account, history } = live(commands);
        expect(history.reduce(evolve, emptyAccount('u'))).toEqual(account);
      }),
      { numRuns: 500 },
    );
  });

  test('draws exactly what a debit takes, in burn order', () => {
    const rank = { bonus: 0, adjustment: 1, included: 2, purchase: 3 };
    fc.assert(
      fc.property(lives, (commands) => {
        let account = emptyAccount('u');
        for (const entry of live(commands).history) {
          const lots = new Map(account.lots.map((one) => [one.seq, one]));
          const drawn = (entry.draws ?? []).map((draw) => ({ ...draw, ...lots.get(draw.lot) }));
          if (entry.kind === 'debit') {
            expect(drawn.reduce((sum, draw) => sum + draw.amount, 0)).toBe(-entry.delta);
            const order = drawn.map((draw) => rank[draw.category ?? 'bonus'] * 1e9 + draw.lot);
            expect(order).toEqual(order.toSorted((a, b) => a - b));
            // Every lot but the last one drawn is emptied, and none before it was passed over.
            for (const draw of drawn.slice(0, -1)) expect(draw.amount).toBe(draw.free);
          }
          account = evolve(account, entry);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('a debit of more than is available is refused with the figures, and writes nothing', () => {
  const { account } = live([grant('u', 10)]);
  expect(decide(account, debit('u', 11), around)).toEqual({
    ok: false,
    refusal: { code: 'insufficient_credits', balance: 10, available: 10, required: 11 },
  });
});

test('a grant that would pass 2^53 - 1 credits is refused as a whole', () => {
  const rich = { ...emptyAccount('u'), balance: MAX_BALANCE - 5, seq: 1 };
  const refused = decide(rich, grant('u', 1, { grants: [lot(3), lot(3)] }), around);
  expect(refused).toEqual({ ok: false, refusal: { code: 'balance_limit' } });
  expect(decide(rich, grant('u', 5), around).ok).toBe(true);
});

test('a grant pays the debt first, and only the rest opens a lot', () => {
  const debtor = { ...emptyAccount('u'), seq: 4, balance: -30, debt: 30 };
  const repaid = decide(debtor, grant('u', 20), around);
  expect(repaid).toMatchObject({ ok: true, account: { balance: -10, debt: 10, lots: [] } });
  const beyond = decide(debtor, grant('u', 50), around);
  expect(beyond).toMatchObject({
    ok: true,
    account: { balance: 20, debt: 0, lots: [{ seq: 5, free: 20 }] },
  });
});

test('the grants of one command share its lead entry, which alone carries the keys', () => {
  const keys = { stripeEventId: 'evt_1', grantKey: 'in_1', idempotencyKey: 'k' };
  const { history } = live([grant('u', 1, { grants: [lot(1), lot(2), lot(3)], ...keys })]);
  expect(history.map(({ leadSeq }) => leadSeq)).toEqual([null, 1, 1]);
  expect(history.map(({ grantKey }) => grantKey)).toEqual(['in_1', null, null]);
  expect(history.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['system:k', null, null]);
});

test('an account with very many purchases keeps a bounded number of open lots', () => {
  const purchases = Array.from({ length: MAX_OPEN_LOTS + 50 }, () => grant('u', 2));
  const { account, history } = live(purchases);
  expect(account.lots.length).toBe(MAX_OPEN_LOTS);
  expect(account.balance).toBe(2 * purchases.length);
  expect(history.at(-1)?.lot).toBe(MAX_OPEN_LOTS);
});

test('an entry is never dated before the one before it, even when the clock was set back', () => {
  const { account } = live([grant('u', 10)]);
  const decision = decide(account, debit('u', 1), { ...around, now: around.now - 60_000 });
  expect(decision).toMatchObject({ ok: true, entries: [{ createdAt: around.now }] });
});
