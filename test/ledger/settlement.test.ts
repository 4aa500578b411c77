import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emptyAccount, expiredLots, findBrokenRule } from '../../src/ledger/core/account.ts';
import type { Category } from '../../src/ledger/core/entry.ts';
import { evolve } from '../../src/ledger/core/evolve.ts';
import type { Reversed } from '../../src/ledger/core/payment.ts';
import { createEntryRules } from '../../src/ledger/read/entry-rules.ts';
import { debit, grant, lot, settlePayment } from '../support/commands.ts';
import { createLife, DAY, START } from '../support/life.ts';

type Step =
  | { readonly do: 'buy'; readonly lots: readonly (readonly [Category, number, number | null])[] }
  | { readonly do: 'spend'; readonly amount: number }
  | { readonly do: 'reverse'; readonly which: number; readonly part: number }
  | { readonly do: 'wait'; readonly days: number };

const category = fc.constantFrom<Category>('purchase', 'included', 'bonus');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('buy' as const),
    lots: fc.array(fc.tuple(category, fc.integer({ min: 1, max: 100 }), fc.option(fc.nat(30))), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
  fc.record({ do: fc.constant('spend' as const), amount: fc.integer({ min: 1, max: 120 }) }),
  fc.record({
    do: fc.constant('reverse' as const),
    which: fc.nat(5),
    part: fc.integer({ min: 0, max: 1_000 }),
  }),
  fc.record({ do: fc.constant('wait' as const), days: fc.integer({ min: 1, max: 12 }) }),
);

const PAID = 999;

/** Lives the steps; returns the life with what each payment granted and should miss by now. */
function live(steps: readonly Step[]) {
  const life = createLife();
  const payments: { key: string; granted: number; part: number }[] = [];
  let days = 0;
  for (const one of steps) {
    switch (one.do) {
      case 'buy': {
        const key = `cs_${payments.length}`;
        const [first = lot(1), ...rest] = one.lots.map(([category, amount, expires]) =>
          lot(amount, {
            category,
            expiresAt: expires === null ? null : START + (days + expires) * DAY,
          }),
        );
        life.post(grant('u', 1, { grants: [first, ...rest], grantKey: key }));
        const granted = one.lots.reduce((sum, [, amount]) => sum + amount, 0);
        payments.push({ key, granted, part: 0 });
        break;
      }
      case 'spend':
        life.post(debit('u', one.amount));
        break;
      case 'reverse': {
        const payment = payments[one.which % Math.max(payments.length, 1)];
        if (!payment) break;
        payment.part = Math.min(one.part, PAID);
        life.reverse(payment.key, PAID, one.part);
        life.post(settlePayment('u', payment.key));
        break;
      }
      case 'wait':
        days += one.days;
        life.wait(one.days);
    }
  }
  return { life, payments };
}

const steps = fc.array(step, { maxLength: 40 });

describe('whatever is bought, spent, refunded, disputed and let expire', () => {
  test('every rule of an account and of its entries holds after every entry', () => {
    fc.assert(
      fc.property(steps, (lived) => {
        let account = emptyAccount('u');
        const rules = createEntryRules();
        for (const [i, entry] of live(lived).life.history.entries()) {
          expect(rules.findBroken(account, entry, null)).toBeNull();
          account = evolve(account, entry);
          expect(entry).toMatchObject({ seq: i + 1, balance: account.balance });
          expect(findBrokenRule(account)).toBeNull();
        }
      }),
      { numRuns: 500 },
    );
  });

  test("each payment misses exactly its money's share, at last, whatever came between", () => {
    fc.assert(
      fc.property(steps, (lived) => {
        const { life, payments } = live(lived);
        for (const { key, granted, part } of payments) {
          const moved = life.history
            .filter(({ payment, reversesSeq }) => payment === key && reversesSeq !== null)
            .reduce((sum, { delta }) => sum + delta, 0);
          expect(0 - moved).toBe(Math.floor((granted * part) / PAID));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('a claw-back makes debt only when no lot has a free credit left', () => {
    fc.assert(
      fc.property(steps, (lived) => {
        let account = emptyAccount('u');
        for (const entry of live(lived).life.history) {
          const after = evolve(account, entry);
          if (after.debt > account.debt) {
            expect(entry.kind).toBe('clawback');
            expect(after.lots).toEqual([]);
          }
          account = after;
        }
      }),
      { numRuns: 500 },
    );
  });

  test('nothing is spent from a lot whose time has come', () => {
    fc.assert(
      fc.property(steps, (lived) => {
        let account = emptyAccount('u');
        for (const entry of live(lived).life.history) {
          const due = expiredLots(account, entry.createdAt).map(({ seq }) => seq);
          if (entry.kind === 'debit') {
            expect(entry.draws?.some(({ lot }) => due.includes(lot))).toBe(false);
          }
          account = evolve(account, entry);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('a refund takes the payment’s own lot first, then what burns first, and only then debt', () => {
  const life = createLife();
  life.post(grant('u', 30, { grantKey: 'cs_a' }));
  life.post(grant('u', 1, { grants: [lot(10, { category: 'bonus' })] }));
  life.post(grant('u', 20, { grantKey: 'cs_b' }));
  life.post(debit('u', 15)); // The bonus, and 5 of cs_a.
  life.reverse('cs_b', 100, 50);
  life.post(settlePayment('u', 'cs_b'));
  expect(life.history.at(-1)).toMatchObject({ delta: -10, draws: [{ lot: 3, amount: 10 }] });
  life.reverse('cs_a', 100, 100);
  life.post(settlePayment('u', 'cs_a'));
  expect(life.history.at(-1)?.draws).toEqual([
    { lot: 1, amount: 25 },
    { lot: 3, amount: 5 },
  ]);
  life.reverse('cs_b', 100, 100);
  life.post(settlePayment('u', 'cs_b'));
  expect(life.account()).toMatchObject({ balance: -5, debt: 5, lots: [] });
  expect(life.post(debit('u', 1))).toMatchObject({ ok: false });
  life.post(grant('u', 8));
  expect(life.account()).toMatchObject({ balance: 3, debt: 0 });
});

test('a dispute that is won gives back on the grant’s own terms, and losing it takes that lot', () => {
  const expiresAt = START + 9 * DAY;
  const life = createLife();
  life.post(grant('u', 1, { grants: [lot(40, { expiresAt })], grantKey: 'cs_a' }));
  life.reverse('cs_a', 100, 100);
  life.post(settlePayment('u', 'cs_a'));
  life.reverse('cs_a', 100, 0);
  life.post(settlePayment('u', 'cs_a'));
  expect(life.account().lots).toEqual([
    { seq: 3, category: 'purchase', priority: 0, expiresAt, free: 40 },
  ]);
  life.post(grant('u', 1, { grants: [lot(7, { category: 'bonus' })] }));
  life.reverse('cs_a', 100, 50);
  life.post(settlePayment('u', 'cs_a'));
  expect(life.history.at(-1)?.draws).toEqual([{ lot: 3, amount: 20 }]);
});

test('what a claw-back took from others comes back for good, though the grant has expired', () => {
  const life = createLife();
  const expiresAt = START + 30 * DAY;
  life.post(grant('u', 1, { grants: [lot(100, { expiresAt })], grantKey: 'in_a' }));
  life.post(debit('u', 70));
  life.post(grant('u', 100, { grantKey: 'cs_b' }));
  life.reverse('in_a', 10, 10);
  life.post(settlePayment('u', 'in_a')); // 30 of its own lot, 70 of the other's.
  life.wait(40);
  life.reverse('in_a', 10, 0);
  life.post(settlePayment('u', 'in_a'));
  life.post(debit('u', 1));
  expect(life.account()).toMatchObject({ balance: 99 });
  expect(life.history.filter(({ kind }) => kind === 'expiry')).toMatchObject([{ delta: -30 }]);
});

test('what moves from one line to another is given back first, and spares other credits', () => {
  const life = createLife();
  const included = { category: 'included', expiresAt: START + 30 * DAY } as const;
  const grants = [
    lot(100, { invoiceLine: 'il_a' }),
    lot(100, { ...included, invoiceLine: 'il_b' }),
  ] as const;
  life.post(grant('u', 1, { grants, grantKey: 'in_a' }));
  life.reverse('in_a', 200, 100);
  life.post(settlePayment('u', 'in_a'));
  life.post(debit('u', 100));
  life.post(grant('u', 70, { grantKey: 'cs_b' }));
  const named: Reversed['lines'] = new Map([
    ['il_a', { amountPaid: 100, amountReversed: 100 }],
    ['il_b', { amountPaid: 100, amountReversed: 0 }],
  ]);
  life.reverse('in_a', 200, 100, named);
  life.post(settlePayment('u', 'in_a'));
  expect(life.account()).toMatchObject({ balance: 70, debt: 0, lots: [{ free: 70 }] });
  expect(life.account().lots).toMatchObject([{ category: 'purchase', expiresAt: null }]);
});

test('settling again changes nothing and answers with the entry that did it', () => {
  const life = createLife();
  life.post(grant('u', 40, { grantKey: 'cs_a' }));
  life.reverse('cs_a', 100, 100);
  life.post(settlePayment('u', 'cs_a'));
  expect(life.post(settlePayment('u', 'cs_a'))).toMatchObject({
    ok: true,
    entry: { seq: 2, kind: 'clawback' },
    replayed: true,
  });
  expect(life.history).toHaveLength(2);
  expect(life.post(settlePayment('u', 'cs_b'))).toEqual({
    ok: false,
    refusal: { code: 'payment_not_granted' },
  });
});
