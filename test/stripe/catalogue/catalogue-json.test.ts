import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  parseCatalogueFile,
  parsePriceCredits,
} from '../../../src/stripe/catalogue/catalogue-json.ts';
import { terms } from '../../support/stripe.ts';

const FORMS = [
  ['STRIPE_PRICE_TO_CREDITS_JSON', parsePriceCredits, (prices: string) => prices],
  ['the catalogue file', parseCatalogueFile, (prices: string) => `{"prices": ${prices}}`],
] as const;

describe.each(FORMS)('%s', (_name, parse, wrap) => {
  const read = (prices: string) => parse(wrap(prices));

  test('price ids are opaque, and 0 credits is a price that is known', () => {
    const { prices, problems } = read(
      '{"price_x": 100, "small-monthly": 1e12, "price_seat": 0, "__proto__": 5}',
    );
    expect(problems).toEqual([]);
    expect([...prices].map(([price, { credits }]) => [price, credits])).toEqual([
      ['price_x', 100],
      ['small-monthly', 1e12],
      ['price_seat', 0],
      ['__proto__', 5],
    ]);
    expect(prices.has('constructor')).toBe(false);
  });

  test('a plain number means the usual terms, an object may say others', () => {
    const { prices, problems } = read(
      `{"plain": 100, "full": {"credits": 7, "category": "bonus", "expires": "30 days",
        "trial": "grant", "free": "grant", "manual": "grant", "name": "Café", "description": "d", "for_sale": false}}`,
    );
    expect(problems).toEqual([]);
    expect(prices.get('plain')).toEqual(terms(100));
    expect(prices.get('full')).toEqual({
      ...{
        credits: 7,
        category: 'bonus',
        expires: '30 days',
        trial: 'grant',
        free: 'grant',
        manual: 'grant',
      },
      ...{ name: 'Café', description: 'd', forSale: false },
    });
  });

  test.each(['', '{', 'null', '[]', '"x"', '7'])('%s is refused as a whole', (json) => {
    expect(read(json).problems).toHaveLength(1);
    expect(parse(json).problems).toHaveLength(1);
  });

  test('every bad amount is named at once', () => {
    const bad = ['"5"', '"1e9"', '-5', '1.5', '1e13', '1e400', 'null', 'true', '{}', '[1]'];
    const json = `{${bad.map((value, i) => `"price_${i}": ${value}`).join()}, "ok": 1, "": 1}`;
    const { prices, problems } = read(json);
    expect(problems).toHaveLength(bad.length + 1);
    for (const [i] of bad.entries()) {
      expect(problems).toContain(
        `price_${i}: credits must be a whole number from 0 to 1000000000000`,
      );
    }
    expect([...prices.keys()]).toEqual(['ok']);
  });

  test.each([
    ['category', '"gift"', /category must be "purchase", "included" or "bonus"/],
    ['category', '"adjustment"', /category must be/],
    ['expires', '"soon"', /expires must be "never", "period_end" or 1 to 9999 days/],
    ['expires', '"0 days"', /expires must be/],
    ['expires', '"1 days"', /expires must be/],
    ['expires', '"99999 days"', /expires must be/],
    ['expires', '"30 days\\n"', /expires must be/],
    ['expires', '30', /expires must be/],
    ['trial', 'true', /trial must be "none" or "grant"/],
    ['manual', '1', /manual must be "none" or "grant"/],
    ['free', '"yes"', /free must be "none" or "grant"/],
    ['name', '""', /name must be a text of 1 to 250/],
    ['name', '"\\u001b[31m"', /name must be a text/],
    ['name', '"\\ud800"', /name must be a text/],
    ['for_sale', '1', /for_sale must be true or false/],
    ['credit', '5', /"credit" is not known here/],
    ['__proto__', '{"credits": 5}', /"__proto__" is not known here/],
    ['constructor', '5', /"constructor" is not known here/],
  ])('%s: %s is refused, naming price and member', (member, value, problem) => {
    const { prices, problems } = read(`{"price_x": {"credits": 1, "${member}": ${value}}}`);
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems[0]).toMatch(/^price_x: /);
    expect(prices.size).toBe(0);
  });

  test('all problems of a price are named', () => {
    const { problems } = read('{"p": {"category": "x", "trial": "x", "extra": 1}}');
    expect(problems.map((problem) => problem.split(' ')[1]).sort()).toEqual([
      '"extra"',
      'category',
      'credits',
      'trial',
    ]);
  });

  test('whatever the JSON, it is read or refused, never a crash or a price that is no number', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const { prices } = read(`{"p": ${json}}`);
        for (const { credits } of prices.values()) {
          expect(Number.isSafeInteger(credits) && credits >= 0).toBe(true);
        }
      }),
    );
  });
});

test('the file may name its schema, and nothing else beside its prices', () => {
  expect(parseCatalogueFile('{"$schema": "../x.json", "prices": {}}').problems).toEqual([]);
  const { problems } = parseCatalogueFile('{"price": {"a": 1}, "packs": {}}');
  expect(problems).toEqual([
    '"price" is not known here',
    '"packs" is not known here',
    'is not an object such as {"prices": {"price_x": 100}}',
  ]);
});
