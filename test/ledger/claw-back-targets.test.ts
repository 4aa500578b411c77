import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clawBackTargets } from '../../src/ledger/core/payment.ts';

const asGrants = (amounts: readonly number[]) =>
  amounts.map((amount, i) => ({
    ...{
      userId: 'u',
      seq: i + 1,
      amount,
      category: 'purchase' as const,
      priority: 0,
      expiresAt: null,
    },
    ...{ invoiceLine: `il_${i}`, lots: [], clawedBack: 0, clawedElsewhere: 0 },
  }));

const sum = (amounts: readonly number[]) => amounts.reduce((all, one) => all + BigInt(one), 0n);

describe('how much of a payment is clawed back', () => {
  const grants = fc.array(fc.integer({ min: 1, max: 1e12 }), { minLength: 1, maxLength: 8 });

  test('is the floor of the share in exact arithmetic, spread within each grant', () => {
    const paid = fc.integer({ min: 1, max: 99_999_999 });
    fc.assert(
      fc.property(grants, paid, fc.nat(99_999_999), (amounts, amountPaid, back) => {
        const targets = clawBackTargets({
          ...{ grants: asGrants(amounts), amountPaid, amountReversed: back, lines: new Map() },
        });
        const reversed = BigInt(Math.min(back, amountPaid));
        expect(sum(targets)).toBe((sum(amounts) * reversed) / BigInt(amountPaid));
        for (const [i, target] of targets.entries()) {
          const share = BigInt(amounts[i] ?? 0) * reversed;
          expect(BigInt(target) - share / BigInt(amountPaid)).toBeOneOf([0n, 1n]);
          expect(target).toBeLessThanOrEqual(amounts[i] ?? 0);
        }
      }),
    );
  });

  test('is nothing when nothing was paid', () => {
    const free = { grants: asGrants([100]), amountPaid: 0, amountReversed: 50, lines: new Map() };
    expect(clawBackTargets(free)).toEqual([0]);
  });
});

describe('how much of each line is clawed back, where credit notes name lines', () => {
  /** Lines that cost nothing or gave something back are among them; the last has no grant. */
  const line = fc
    .record({
      amount: fc.integer({ min: 1, max: 1e12 }),
      paid: fc.integer({ min: -500, max: 3000 }),
    })
    .chain(({ amount, paid }) =>
      fc.nat(Math.max(paid, 0)).map((reversed) => ({ amount, paid, reversed })),
    );
  const payments = fc.record({
    lines: fc.array(line, { minLength: 2, maxLength: 5 }),
    /** How much went back beside what is named; below 0 contradicts it. */
    more: fc.integer({ min: -50, max: 5000 }),
  });
  type Payments = typeof payments extends fc.Arbitrary<infer T> ? T : never;

  function read({ lines, more }: Payments) {
    const named = Number(sum(lines.map(({ reversed }) => reversed)));
    const amountPaid = Math.max(0, Number(sum(lines.map(({ paid }) => paid))));
    const amounts = lines.slice(1).map(({ amount }) => amount);
    const byLine = lines.map(
      ({ paid, reversed }, i) =>
        [
          `il_${i === 0 ? 'setup' : i - 1}`,
          { amountPaid: paid, amountReversed: reversed },
        ] as const,
    );
    return {
      ...{ grants: asGrants(amounts), amounts, named, amountPaid },
      ...{
        amountReversed: Math.min(Math.max(0, named + more), amountPaid),
        lines: new Map(byLine),
      },
    };
  }

  test('is the share of its line first, then of all that is left, and never more than it gave', () => {
    fc.assert(
      fc.property(payments, (one) => {
        const { amounts, named, ...payment } = read(one);
        const { amountPaid, amountReversed, lines } = payment;
        const targets = clawBackTargets(payment);
        const own = amounts.map((amount, i) => {
          const of = lines.get(`il_${i}`);
          if (!of || of.amountPaid <= 0) return 0;
          return Number((BigInt(amount) * BigInt(of.amountReversed)) / BigInt(of.amountPaid));
        });
        expect(targets.every((target, i) => target >= 0 && target <= (amounts[i] ?? 0))).toBe(true);
        if (amountPaid === 0) expect(sum(targets)).toBe(0n);
        else if (amountReversed === amountPaid) expect(targets).toEqual(amounts);
        else if (named > amountReversed) {
          expect(targets).toEqual(clawBackTargets({ ...payment, lines: new Map() }));
        } else {
          expect(targets.every((target, i) => target >= (own[i] ?? 0))).toBe(true);
          const left = sum(amounts) - sum(own);
          const rest = (left * BigInt(amountReversed - named)) / BigInt(amountPaid - named);
          expect(sum(targets)).toBe(sum(own) + rest);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('is pro rata when a grant is of none of these lines', () => {
    fc.assert(
      fc.property(payments, (one) => {
        const payment = read(one);
        payment.lines.delete('il_0');
        expect(clawBackTargets(payment)).toEqual(clawBackTargets({ ...payment, lines: new Map() }));
      }),
    );
  });
});
