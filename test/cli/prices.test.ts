import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { publish } from '../../src/stripe/catalogue/publish.ts';
import { createTestDatabase } from '../support/database.ts';
import { startPriceStage } from '../support/price-stage.ts';
import { makeFolder, ROOT, runPurser, servePurser } from '../support/process.ts';
import { terms } from '../support/stripe.ts';

describe('list', () => {
  test('prints the terms in force, their version and who wrote them', async () => {
    const { db, prices } = await startPriceStage();
    expect((await prices('list')).stdout).toBe('No price is known.\n');
    const given = new Map([
      ['price_a', terms({ credits: 5, expires: '30 days', name: 'A\u001b[31m' })],
      ['price_b', terms({ credits: 6, forSale: false })],
    ]);
    await publish(db.pool, { source: 'file', prices: given });
    const { code, stdout, stderr } = await prices('list');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^price +version +source +credits/);
    expect(stdout).toMatch(/^price_a +1 +file +5 +- +30 days +none +none +none +yes +A\[31m$/m);
    expect(stdout).toMatch(/^price_b +1 +file +6 +- +never +none +none +none +no +-$/m);
  });
});

describe('a server', () => {
  test('publishes the environment and the file at its start, and Stripe’s terms rank below', async () => {
    const { db, stripe, prices } = await startPriceStage();
    const folder = await makeFolder();
    await writeFile(
      join(folder, 'purser.catalogue.json'),
      '{"prices": {"price_file": 20, "price_both": 21}}',
    );
    stripe.offer({ price_both: { metadata: { credits: '31' } } });
    await prices('sync');
    const { url, stop } = await servePurser(['--folder', folder], {
      cwd: folder,
      env: {
        ...{ DATABASE_URL: db.url, STRIPE_SECRET_KEY: 'sk_test_1', STRIPE_API_BASE: stripe.url },
        STRIPE_PRICE_TO_CREDITS_JSON: '{"price_env": {"credits": 10, "category": "bonus"}}',
      },
    });
    const answer = await fetch(`${url}/api/v1/packs`);
    const { data } = (await answer.json()) as { data: { price: string; credits: number }[] };
    expect(data.map(({ price, credits }) => `${price} ${credits}`).sort()).toEqual([
      'price_both 21',
      'price_env 10',
      'price_file 20',
    ]);
    const { code, stdout } = await prices('sync');
    expect(code).toBe(0);
    expect(stdout).toBe(
      'OUTRANKED  price_both: the catalogue file says what it gives\n' +
        '0 changed, 1 as before, 0 refused.\n',
    );
    expect((await stop()).code).toBe(0);
  });
});

test('sync without a key reads the simulated Stripe of the local server', async () => {
  const db = await createTestDatabase();
  onTestFinished(() => db.drop());
  const folder = await makeFolder();
  const env = { DATABASE_URL: db.url };
  const { url } = await servePurser(['--folder', folder], { env });
  const { code, stdout, stderr } = await runPurser(['prices', 'sync', '--folder', folder], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^price_monthly +new +1000 +included /m);
  expect(stdout).toContain('3 changed, 0 as before, 0 refused.');
  const answer = await fetch(`${url}/api/v1/packs`);
  const { data } = (await answer.json()) as { data: object[] };
  const usd = { currency: 'usd', recurring: null };
  expect(data).toMatchObject([
    { price: 'price_starter', name: '500 credits', credits: 500, amount: 500, ...usd },
    { price: 'price_monthly', recurring: { interval: 'month', interval_count: 1 } },
    { price: 'price_pro', credits: 2000, amount: 1800, ...usd },
  ]);
});

test('schema prints the committed catalogue.schema.json, byte for byte, and needs nothing', async () => {
  const { code, stdout } = await runPurser(['prices', 'schema']);
  expect(code).toBe(0);
  expect(stdout).toBe(await readFile(join(ROOT, 'catalogue.schema.json'), 'utf8'));
});

test('the help names every field of the metadata', async () => {
  const { stdout } = await runPurser(['prices', '--help']);
  for (const member of ['category', 'expires', 'trial', 'free', 'manual']) {
    expect(stdout).toContain(`credits_${member}`);
  }
});

test('a wrong use is exit code 2, and says what to do', async () => {
  expect(await runPurser(['prices'])).toMatchObject({ code: 2, stdout: '' });
  expect((await runPurser(['prices', 'push'])).stderr).toContain(
    'Say what to do: list, sync, schema.',
  );
  const env = { NODE_ENV: 'production' };
  expect((await runPurser(['prices', 'sync'], { env })).stderr).toContain(
    'STRIPE_SECRET_KEY is missing',
  );
  expect((await runPurser(['prices', 'list', '--dry-run'], { env })).code).toBe(2);
});
