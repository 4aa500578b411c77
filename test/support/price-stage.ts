import { onTestFinished } from 'vitest';
import { createCatalogue } from '../../src/stripe/catalogue/catalogue.ts';
import { createTestDatabase } from './database.ts';
import { startPriceList } from './price-list.ts';
import { runPurser } from './process.ts';

/** A database, a list of prices and the CLI between them, until the test ends. */
export async function startPriceStage() {
  const db = await createTestDatabase();
  onTestFinished(() => db.drop());
  const stripe = await startPriceList();
  const env = {
    NODE_ENV: 'production',
    DATABASE_URL: db.url,
    STRIPE_SECRET_KEY: 'sk_test_1',
    STRIPE_API_BASE: stripe.url,
  };
  return {
    ...{ db, stripe, env },
    prices: (...args: string[]) => runPurser(['prices', ...args], { env }),
    known: () =>
      db.sql(
        `SELECT price, credits, category, expires, trial, free, manual, for_sale
           FROM v_catalogue ORDER BY price`,
      ),
    packs: () => createCatalogue(db.pool).packs(),
  };
}
