import { expect, onTestFinished, test } from 'vitest';
import { createCatalogue } from '../../../src/stripe/catalogue/catalogue.ts';
import { publish, type Source } from '../../../src/stripe/catalogue/publish.ts';
import type { Terms } from '../../../src/stripe/catalogue/terms.ts';
import { createTestDatabase } from '../../support/database.ts';
import { terms } from '../../support/stripe.ts';

type Said = Readonly<Record<string, number | Partial<Terms>>>;

async function setUp() {
  const db = await createTestDatabase();
  onTestFinished(() => db.drop());
  return {
    ...db,
    /** Publishes all that a source says. */
    say(source: Source, said: Said, untouched: ReadonlySet<string> = new Set()) {
      const prices = new Map(Object.entries(said).map(([price, one]) => [price, terms(one)]));
      return publish(db.pool, { source, prices, untouched });
    },
    /** What a server that has just started finds. */
    find: async (price: string) => (await createCatalogue(db.pool).find([price])).get(price),
    versions: () =>
      db.sql(
        `SELECT price, version, source, credits, withdrawn
           FROM catalogue_prices ORDER BY price, version`,
      ),
  };
}

test('a version is written only when the terms differ, and old ones stay', async () => {
  const { say, find, versions } = await setUp();
  const changes = await say('env', { price_x: 100, price_y: 5 });
  expect(changes).toMatchObject([
    { price: 'price_x', kind: 'new', before: null, after: { credits: 100 } },
    { price: 'price_y', kind: 'new' },
  ]);
  expect(await say('env', { price_x: 100, price_y: 5 })).toEqual([]);
  expect(await say('env', { price_x: 200, price_y: 5 })).toMatchObject([
    { price: 'price_x', kind: 'changed', before: { credits: 100 }, after: { credits: 200 } },
  ]);
  expect(await versions()).toMatchObject([
    { price: 'price_x', version: 1, credits: 100 },
    { price: 'price_x', version: 2, credits: 200 },
    { price: 'price_y', version: 1, credits: 5 },
  ]);
  expect(await find('price_x')).toEqual({ ...terms(200), version: 2 });
});

test.each([
  ['credits', 7],
  ['category', 'bonus'],
  ['expires', '30 days'],
  ['trial', 'grant'],
  ['free', 'grant'],
  ['manual', 'grant'],
  ['name', 'Pack'],
  ['description', 'A pack'],
  ['forSale', false],
] as const)('another %s is another version', async (member, value) => {
  const { say, find } = await setUp();
  await say('file', { price_x: 100 });
  await say('file', { price_x: { [member]: value } });
  expect(await find('price_x')).toEqual({ ...terms({ [member]: value }), version: 2 });
});

test('servers that publish the same at once make one version', async () => {
  const { say, versions } = await setUp();
  const said = { price_x: 100, price_y: 5 };
  const all = await Promise.all(Array.from({ length: 20 }, () => say('env', said)));
  expect(all.filter((changes) => changes.length > 0)).toHaveLength(1);
  expect(await versions()).toHaveLength(2);
});

test('what the environment names outranks the file, and the file outranks Stripe', async () => {
  const { say, find } = await setUp();
  await say('env', { price_x: 1 });
  await say('file', { price_x: 2 });
  await say('stripe', { price_x: 3 });
  expect(await find('price_x')).toMatchObject({ credits: 1 });
  await say('env', {});
  expect(await find('price_x')).toMatchObject({ credits: 2, forSale: true });
  await say('file', {});
  expect(await find('price_x')).toMatchObject({ credits: 3, forSale: true });
  await say('env', { price_x: 1 });
  expect(await find('price_x')).toMatchObject({ credits: 1, forSale: true });
});

test('a price that is named no more keeps the terms that were in force last', async () => {
  const { say, find } = await setUp();
  await say('env', { price_x: 1 });
  await say('stripe', { price_x: 3 });
  expect(await say('env', {})).toMatchObject([{ kind: 'withdrawn', after: null }]);
  await say('stripe', {});
  expect(await find('price_x')).toMatchObject({ credits: 3, forSale: false });
  await say('stripe', { price_x: 3 });
  expect(await find('price_x')).toMatchObject({ credits: 3, forSale: true });
});

test('a price of which nothing usable is said stays as it is', async () => {
  const { say, find } = await setUp();
  await say('stripe', { price_x: 1 });
  expect(await say('stripe', {}, new Set(['price_x']))).toEqual([]);
  expect(await find('price_x')).toMatchObject({ credits: 1, forSale: true });
});

test('ids that are names of JavaScript’s objects are prices like others', async () => {
  const { say, find, pool } = await setUp();
  const ids = ['__proto__', 'constructor', 'small-monthly', 'ü'.repeat(255)];
  await say('env', Object.fromEntries(ids.slice(1).map((price) => [price, 7])));
  expect(await find('toString')).toBeUndefined();
  expect(await find('__proto__')).toBeUndefined();
  for (const price of ids.slice(1)) expect(await find(price)).toMatchObject({ credits: 7 });
  await publish(pool, { source: 'file', prices: new Map([['__proto__', terms(9)]]) });
  expect(await find('__proto__')).toMatchObject({ credits: 9 });
});

test('the table refuses to forget or to rewrite a version', async () => {
  const { say, sql } = await setUp();
  await say('env', { price_x: 100 });
  for (const change of [
    'UPDATE catalogue_prices SET credits = 1',
    'DELETE FROM catalogue_prices',
    'TRUNCATE catalogue_prices',
  ]) {
    await expect(sql(change)).rejects.toThrow(/append-only/);
  }
});

test('a running server asks again for what it did not know, and for the rest after seconds', async () => {
  const { say, pool, sql } = await setUp();
  const catalogue = createCatalogue(pool);
  await say('env', { price_x: 100 });
  expect([...(await catalogue.find(['price_x', 'price_y'])).keys()]).toEqual(['price_x']);
  await say('env', { price_x: 100, price_y: 5 });
  expect([...(await catalogue.find(['price_x', 'price_y'])).keys()]).toEqual([
    'price_x',
    'price_y',
  ]);
  await say('env', { price_x: 200, price_y: 5 });
  const credits = async () => (await catalogue.find(['price_x'])).get('price_x')?.credits;
  await expect.poll(credits, { timeout: 10_000, interval: 50 }).toBe(200);
  expect(await sql('SELECT count(*)::int AS n FROM catalogue_prices')).toEqual([{ n: 3 }]);
});

test('look-ups of one moment share a query', async () => {
  const { say, pool } = await setUp();
  const prices = Array.from({ length: 50 }, (_, i) => `price_${i}`);
  await say('env', Object.fromEntries(prices.map((price) => [price, 1])));
  let queries = 0;
  pool.on('acquire', () => {
    queries += 1;
  });
  const catalogue = createCatalogue(pool);
  await Promise.all([...prices, ...prices].map((price) => catalogue.find([price])));
  expect(queries).toBe(1);
});
