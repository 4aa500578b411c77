import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../../../packages/fake-stripe/src/fake-stripe.ts';
import { checkStripeAccount } from '../../../src/stripe/api/account.ts';
import { createStripeClient, livemodeOf, parseApiBase } from '../../../src/stripe/api/client.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

let db: TestDatabase;
let fake: FakeStripe;
beforeEach(async () => {
  [db, fake] = await Promise.all([createTestDatabase(), startFakeStripe()]);
});
afterEach(async () => {
  await fake.stop();
  await db.drop();
});

function check({
  livemode = false,
  secretKey = 'sk_test_1',
  records = true,
  takesSimulated = true,
} = {}) {
  const client = createStripeClient({ secretKey, apiBase: parseApiBase(fake.url) });
  return checkStripeAccount({ pool: db.pool, client, livemode, records, takesSimulated });
}

test('the first boot records mode and account; another mode or account is refused', async () => {
  expect(await check()).toEqual({ ok: true, account: 'acct_sim_1' });
  expect(await check()).toEqual({ ok: true, account: 'acct_sim_1' });
  expect(await check({ livemode: true })).toMatchObject({
    ok: false,
    problem: expect.stringContaining('test mode'),
  });
  await db.sql(`UPDATE stripe_account SET account = 'acct_other'`);
  expect(await check()).toMatchObject({
    ok: false,
    problem: expect.stringContaining('acct_other'),
  });
});

test('what only looks records nothing, and is refused like a boot', async () => {
  const look = { records: false };
  expect(await check(look)).toEqual({ ok: true, account: 'acct_sim_1' });
  expect(await db.sql('SELECT FROM stripe_account')).toEqual([]);
  fake.setFault({ kind: 'error', status: 500 });
  await check();
  fake.setFault(null);
  expect(await check(look), 'of a database whose account is not known yet').toMatchObject({
    ok: true,
  });
  expect(await check({ ...look, livemode: true })).toMatchObject({ ok: false });
  await db.sql(`UPDATE stripe_account SET account = 'acct_other'`);
  expect(await check(look)).toMatchObject({ ok: false });
});

test('production refuses a simulated Stripe, and records nothing of it', async () => {
  expect(await check({ takesSimulated: false })).toEqual({
    ok: false,
    problem: 'it is for a simulated Stripe (acct_sim_1), where no money moves',
  });
  expect(await db.sql('SELECT FROM stripe_account')).toEqual([]);
});

test('production refuses the database of a simulated Stripe, also while that is away', async () => {
  await check();
  fake.setFault({ kind: 'error', status: 500 });
  expect(await check({ takesSimulated: false })).toMatchObject({
    ok: false,
    problem: expect.stringContaining('a simulated Stripe (acct_sim_1)'),
  });
});

test('while Stripe is away the mode alone decides, and the account is recorded later', async () => {
  fake.setFault({ kind: 'error', status: 500 });
  expect(await check()).toEqual({ ok: true, account: null });
  expect(await check({ livemode: true })).toMatchObject({ ok: false });
  fake.setFault(null);
  expect(await check()).toEqual({ ok: true, account: 'acct_sim_1' });
  expect(await db.sql('SELECT livemode, account FROM stripe_account')).toEqual([
    { livemode: false, account: 'acct_sim_1' },
  ]);
});

test('a key that Stripe does not accept is refused, and nothing is recorded', async () => {
  expect(await check({ secretKey: 'sk_live_1', livemode: true })).toMatchObject({ ok: false });
  expect(await db.sql('SELECT 1 FROM stripe_account')).toEqual([]);
});

test('of two servers that boot at once with different modes, one is refused', async () => {
  fake.setFault({ kind: 'error', status: 500 });
  const checks = await Promise.all([check({ livemode: true }), check({ livemode: false })]);
  expect(checks.map(({ ok }) => ok).toSorted()).toEqual([false, true]);
});

test('the database holds at most one account', async () => {
  const insert = (singleton: boolean) =>
    db.sql('INSERT INTO stripe_account (singleton, livemode) VALUES ($1, false)', [singleton]);
  await insert(true);
  await expect(insert(true)).rejects.toThrow(/duplicate/);
  await expect(insert(false)).rejects.toThrow(/one_row/);
});

test('a key tells its mode, an API base its host, port and protocol', () => {
  expect(['sk_live_a', 'rk_live_a', 'sk_test_a', 'rk_test_a'].map(livemodeOf)).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(['', 'pk_live_a', 'sk_live_', 'sk_prod_a', 'sk_test_a b'].map(livemodeOf)).toEqual(
    Array(5).fill(null),
  );
  expect(parseApiBase('http://127.0.0.1:12111')).toEqual({
    host: '127.0.0.1',
    port: 12111,
    protocol: 'http',
  });
  expect(parseApiBase('https://api.stripe.com/')).toMatchObject({ port: 443, protocol: 'https' });
  expect(parseApiBase('http://[::1]:80')).toMatchObject({ host: '::1', port: 80 });
  for (const bad of ['', 'stripe', 'ftp://x', 'http://x/v1', 'http://x/?a', 'http://u:p@x/']) {
    expect(parseApiBase(bad), bad).toBeNull();
  }
});
