import { expect, test } from 'vitest';
import { parsePriceCredits } from '../../src/stripe/catalogue.ts';

test('price ids are opaque, and 0 credits is a price that is known', () => {
  const { catalogue, problems } = parsePriceCredits(
    '{"price_x": 100, "small-monthly": 1e12, "price_seat": 0, "__proto__": 5}',
  );
  expect(problems).toEqual([]);
  expect([...catalogue]).toEqual([
    ['price_x', 100],
    ['small-monthly', 1e12],
    ['price_seat', 0],
    ['__proto__', 5],
  ]);
  expect(catalogue.has('constructor')).toBe(false);
});

test.each(['', '{', 'null', '[]', '"x"', '7'])('%s is refused as a whole', (json) => {
  expect(parsePriceCredits(json).problems).toHaveLength(1);
});

test('every bad amount is named at once', () => {
  const bad = ['"5"', '"1e9"', '-5', '1.5', '1e13', '1e400', 'null', 'true', '{}', '[1]'];
  const json = `{${bad.map((value, i) => `"price_${i}": ${value}`).join()}, "ok": 1, "": 1}`;
  const { catalogue, problems } = parsePriceCredits(json);
  expect(problems).toHaveLength(bad.length + 1);
  for (const [i] of bad.entries()) expect(problems.join('\n')).toContain(`price_${i}:`);
  expect([...catalogue.keys()]).toEqual(['ok']);
});
