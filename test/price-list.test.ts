import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { costOf, readPriceList } from '../src/price-list.ts';

const listOf = (source: unknown) => readPriceList(source).operations;
const cost = (price: unknown, quantity: number | string) =>
  costOf(listOf({ op: price }), 'op', quantity);

describe('what an operation costs', () => {
  test.each([
    [10, 3, 30, '3'],
    ['0.002', 1_000, 2, '1000'],
    ['0.002', 1_001, 3, '1001'],
    // In binary fractions this is a little more than 7, which would be rounded up to 8.
    ['0.0007', 10_000, 7, '10000'],
    ['0.1', '0.1', 1, '0.1'],
    ['1.50', '2.0', 3, '2'],
    ['0.000000001', '0.000000001', 1, '0.000000001'],
    ['999999999999.999999999', 1, 1e12, '1'],
  ])('%s × %s is %i credits', (price, quantity, amount, normalised) => {
    expect(cost(price, quantity)).toEqual({ amount, quantity: normalised });
  });

  test('is the exact product, rounded up', () => {
    const decimal = fc.tuple(fc.nat(999_999), fc.integer({ min: 1, max: 999_999_999 }));
    const text = ([whole, fraction]: readonly [number, number]) =>
      `${whole}.${String(fraction).padStart(9, '0')}`;
    const scaled = ([whole, fraction]: readonly [number, number]) =>
      BigInt(whole) * 1_000_000_000n + BigInt(fraction);
    fc.assert(
      fc.property(decimal, decimal, (price, quantity) => {
        const amount = cost(text(price), text(quantity)).amount ?? 0;
        const exact = scaled(price) * scaled(quantity);
        const unit = 10n ** 18n;
        expect(BigInt(amount) * unit).toBeGreaterThanOrEqual(exact);
        expect(BigInt(amount - 1) * unit).toBeLessThan(exact);
      }),
    );
  });

  test.each([
    0,
    -1,
    1.5,
    '1e3',
    '',
    '-2',
    '+2',
    '1.',
    '.5',
    '0.0',
    '01',
    '1'.repeat(13),
    Number.NaN,
  ])('of %s of something is refused', (quantity) => {
    expect(() => cost(1, quantity)).toThrow(RangeError);
  });

  test.each(['unheard', '__proto__', 'constructor', ''])(
    'of %s is refused: no such operation',
    (name) => {
      expect(costOf(listOf({ op: 1 }), name, 1)).toEqual({ amount: null, quantity: '1' });
    },
  );
});

describe('a price list', () => {
  test.each([
    [null, 'is not an object'],
    [[1], 'is not an object'],
    ['x', 'is not an object'],
    [{ op: 0 }, '"op" must cost'],
    [{ op: -1 }, '"op" must cost'],
    [{ op: 0.5 }, '"op" must cost'],
    [{ op: '1e9' }, '"op" must cost'],
    [{ op: { credits: 1 } }, '"op" must cost'],
    [{ 'a b': 1 }, '"a b" is no name'],
    [JSON.parse('{"__proto__": 1}'), '"__proto__" is no name'],
  ])('such as %j is refused', (source, problem) => {
    const { operations, problems } = readPriceList(source);
    expect(operations.size).toBe(0);
    expect(problems).toEqual([expect.stringContaining(problem)]);
  });
});
