import { join } from 'node:path';
import type { FakeStripe } from '@purser/fake-stripe';
import type { Env } from '../config/variables.ts';
import { type LocalPostgres, startLocalPostgres } from './postgres.ts';
import { type LocalSecrets, readLocalSecrets } from './secrets.ts';

/** What the simulated shop sells: credits by price. */
export const LOCAL_PRICES = { price_starter: 500, price_pro: 2000, price_monthly: 1000 } as const;

/** What stands in, on a developer's machine, for what the environment does not name. */
export interface StandIns {
  /** The environment, completed. */
  readonly env: Env;
  /** Null when the environment names a database. */
  readonly postgres: LocalPostgres | null;
  /** Null when the environment names a Stripe key. */
  readonly fakeStripe: FakeStripe | null;
  readonly stop: () => Promise<void>;
}

/** The environment with made-up secrets where it has none; starts nothing. */
export async function completeSecrets(env: Env, folder: string): Promise<Env & LocalSecrets> {
  const secrets = await readLocalSecrets(folder);
  const given = Object.fromEntries(Object.entries(env).filter(([, text]) => text !== undefined));
  return { NEXTAUTH_URL: 'http://localhost:3000', ...secrets, ...given };
}

/**
 * Starts a Postgres and a simulated Stripe where the environment names none. Both are reached
 * only from this machine; data and secrets are kept in `folder`.
 */
export async function startStandIns(env: Env, folder: string): Promise<StandIns> {
  const completed = await completeSecrets(env, folder);
  const postgres =
    env['DATABASE_URL'] === undefined
      ? await startLocalPostgres({ folder: join(folder, 'postgres') })
      : null;
  const fakeStripe = env['STRIPE_SECRET_KEY'] === undefined ? await startFakeStripe(folder) : null;
  return {
    env: {
      ...(fakeStripe && {
        STRIPE_API_BASE: fakeStripe.url,
      }),
      ...completed,
      ...(fakeStripe && { STRIPE_PRICE_TO_CREDITS_JSON: withShop(env) }),
      ...(postgres && { DATABASE_URL: postgres.url }),
    },
    postgres,
    fakeStripe,
    stop: async () => {
      await fakeStripe?.stop();
      await postgres?.stop();
    },
  };
}

/** The prices of the environment, which has been checked, beside those of the simulated shop. */
function withShop({ STRIPE_PRICE_TO_CREDITS_JSON: given = '{}' }: Env): string {
  return JSON.stringify({ ...LOCAL_PRICES, ...JSON.parse(given) });
}

/** Loaded only when it is needed: the production image does not carry it. */
async function startFakeStripe(folder: string): Promise<FakeStripe> {
  const fake = await import('@purser/fake-stripe');
  return fake.startFakeStripe({ shop: true, file: join(folder, 'stripe.json') });
}
