import { afterEach, beforeEach } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../../packages/fake-stripe/src/fake-stripe.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { runPurser } from './process.ts';
import { publishPrices, setInUseSince } from './stripe.ts';

export let database: TestDatabase;
export let fake: FakeStripe;
/** The variables of `purser reconcile`. */
export let env: Record<string, string>;

/** Gives each test a database and a fake Stripe of its own, and the variables that name them. */
export function useReconcileCommand(): void {
  beforeEach(async () => {
    [database, fake] = await Promise.all([createTestDatabase(), startFakeStripe()]);
    await publishPrices(database, new Map([['price_pack', 100]]));
    await setInUseSince(database, new Date('2020-01-01'));
    env = {
      NODE_ENV: 'test',
      DATABASE_URL: database.url,
      STRIPE_SECRET_KEY: 'sk_test_1',
      STRIPE_API_BASE: fake.url,
    };
  });
  afterEach(async () => {
    await fake.stop();
    await database.drop();
  });
}

export const reconcile = (...args: string[]) => runPurser(['reconcile', ...args], { env });

export const balances = () =>
  database.sql('SELECT user_id, balance FROM v_credit_balance ORDER BY user_id');
