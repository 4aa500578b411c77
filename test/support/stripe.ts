import { type FastifyInstance, fastify, type InjectOptions } from 'fastify';
import { Stripe } from 'stripe';
import { expect } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../../packages/fake-stripe/src/fake-stripe.ts';
import type { Shape } from '../../packages/fake-stripe/src/objects/object.ts';
import { createGuard } from '../../src/auth/guard.ts';
import { ErrorBody } from '../../src/envelope.ts';
import { handleError } from '../../src/http/error-handler.ts';
import { requireUser } from '../../src/identity.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { createStripeClient, parseApiBase } from '../../src/stripe/api/client.ts';
import { createCatalogue } from '../../src/stripe/catalogue/catalogue.ts';
import { publish } from '../../src/stripe/catalogue/publish.ts';
import type { Terms } from '../../src/stripe/catalogue/terms.ts';
import {
  createStripeReceiver,
  type StripeReceiver,
  type StripeReceiverOptions,
} from '../../src/stripe/receive/receiver.ts';
import { type CheckoutStatus, createCheckoutSync } from '../../src/stripe/shop/checkout-sync.ts';
import { syncCheckoutSessionRoute } from '../../src/stripe/shop/routes/sync-checkout-session.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

export const SECRET = 'whsec_test_current';
export const PREVIOUS_SECRET = 'whsec_test_previous';
/** What the prices of these tests give. */
const PRICES: Prices = new Map([
  ['price_pack', 100],
  ['price_plan', 1000],
  ['price_seat', 0],
]);

/** Credits of each price, or terms that differ from the usual. */
export type Prices = ReadonlyMap<string, number | Partial<Terms>>;

/** The usual terms, but for what is given. */
export function terms(given: number | Partial<Terms>): Terms {
  return {
    credits: 100,
    category: null,
    expires: 'never',
    trial: 'none',
    free: 'none',
    manual: 'none',
    name: null,
    description: null,
    forSale: true,
    ...(typeof given === 'number' ? { credits: given } : given),
  };
}

/** Publishes prices as STRIPE_PRICE_TO_CREDITS_JSON would. */
export function publishPrices({ pool }: Pick<TestDatabase, 'pool'>, given: Prices) {
  const prices = new Map([...given].map(([price, one]) => [price, terms(one)]));
  return publish(pool, { source: 'env', prices });
}

/** Lets a database be in use since then, as one that a server has booted with. */
export function setInUseSince({ sql }: Pick<TestDatabase, 'sql'>, at: Date) {
  return sql(
    `INSERT INTO stripe_account (livemode, recorded_at) VALUES (false, $1)
         ON CONFLICT (singleton) DO UPDATE SET recorded_at = excluded.recorded_at`,
    [at],
  );
}

/** What the webhook stored about an event. */
interface StoredEvent {
  readonly state: string;
  readonly reason: string | null;
  readonly waits_for: readonly string[] | null;
  readonly attempts: number;
  /** Seconds from now. */
  readonly due_in: number | null;
}

/** An event as its receiver sees it: an id, and whatever else. */
interface AnyEvent {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** A server with the webhook, the fake Stripe behind it, and a database of its own. */
export interface StripeStage {
  readonly db: TestDatabase;
  readonly fake: FakeStripe;
  readonly ledger: Ledger;
  readonly app: FastifyInstance;
  readonly receiver: StripeReceiver;
  readonly livemode: boolean;
  /** Signs and posts an event; expects 200 and returns the state that was answered. */
  readonly deliver: (event: AnyEvent) => Promise<string>;
  /** Asks for a session as its buyer does who returns to the shop; expects 200. */
  readonly sync: (userId: string, session: string) => Promise<CheckoutStatus>;
  /** The stored event. */
  readonly stored: (event: { readonly id: string }) => Promise<StoredEvent | undefined>;
  /** Another server on the same database, as after a restart with other settings. */
  readonly restart: (options?: StageOptions) => Promise<StripeStage>;
  readonly balanceOf: (userId: string) => Promise<number>;
  /** What claw-backs left of each purchase of a user, in the order in which they were granted. */
  readonly leftOfGrants: (userId: string) => Promise<readonly number[]>;
  readonly close: () => Promise<void>;
}

type StageOptions = Partial<Omit<StripeReceiverOptions, 'catalogue'>> & {
  readonly apiTimeout?: number;
  /** Stripe's clock, in seconds since 1970. */
  readonly now?: () => number;
  /** In which the Events API shows events, whatever a webhook got. */
  readonly accountShape?: Shape;
  /** Published before the server starts, as the only prices of the environment. */
  readonly catalogue?: Prices;
};

export async function startStripeStage(options: StageOptions = {}): Promise<StripeStage> {
  const { livemode = false, now, accountShape = 'current' } = options;
  const [db, fake] = await Promise.all([
    createTestDatabase(),
    startFakeStripe({ livemode, accountShape, ...(now && { now }) }),
  ]);
  await setInUseSince(db, new Date('2020-01-01'));
  const stages: StripeStage[] = [];
  const shared = {
    db,
    fake,
    async close() {
      await Promise.all(stages.flatMap(({ receiver, app }) => [receiver.stop(), app.close()]));
      await Promise.all(stages.map(({ ledger }) => ledger.close()));
      await fake.stop();
      await db.drop();
    },
    async restart(others: StageOptions = options) {
      const stage = await buildStage(shared, others);
      stages.push(stage);
      return stage;
    },
  };
  return shared.restart();
}

async function buildStage(
  shared: Pick<StripeStage, 'db' | 'fake' | 'close' | 'restart'>,
  { apiTimeout = 5_000, livemode = false, catalogue = PRICES, ...options }: StageOptions,
): Promise<StripeStage> {
  const { db, fake } = shared;
  const ledger = createLedger({ url: db.url, pool: db.pool });
  await publishPrices(db, catalogue);
  // Less than an event may have, as at the server.
  const app = fastify({ bodyLimit: 64 * 1024 });
  app.addSchema(ErrorBody);
  app.setErrorHandler(handleError);
  const receiver = createStripeReceiver({
    pool: db.pool,
    url: db.url,
    ledger,
    client: createStripeClient({
      secretKey: livemode ? 'sk_live_1' : 'sk_test_1',
      apiBase: parseApiBase(fake.url),
      timeout: apiTimeout,
    }),
    secrets: [SECRET, PREVIOUS_SECRET],
    livemode,
    trustsReference: false,
    retentionDays: 90,
    catalogue: createCatalogue(db.pool),
    log: app.log,
    workerIdle: 20,
    ...options,
  });
  await app.register(receiver.routes);
  const sync = createCheckoutSync(receiver.processing);
  await app.register(async (behindGuard) => {
    behindGuard.decorateRequest('identity').decorateRequest('account');
    behindGuard.addHook('onRequest', believe).addHook('preParsing', requireUser);
    await behindGuard.register(syncCheckoutSessionRoute({ sync, balance: ledger.balance }));
  });
  return {
    ...shared,
    ...{ ledger, app, receiver, livemode },
    async deliver(event) {
      const response = await app.inject(delivery(JSON.stringify(event)));
      expect(response.statusCode, response.body).toBe(200);
      const { data } = response.json();
      expect(data.id).toBe(event.id);
      return data.state;
    },
    async sync(userId, session) {
      const response = await app.inject({
        method: 'POST',
        url: `/api/v1/checkout-sessions/${session}/sync`,
        headers: { authorization: userId },
      });
      expect(response.statusCode, response.body).toBe(200);
      return response.json().data.status;
    },
    stored: async ({ id }) => {
      const [row] = await db.sql<StoredEvent & Record<string, unknown>>(
        `SELECT state, reason, waits_for, attempts,
                extract(epoch FROM next_attempt_at - now())::float8 AS due_in
           FROM stripe_events WHERE id = $1`,
        [id],
      );
      return row;
    },
    balanceOf: async (userId) => (await ledger.balance(userId)).balance,
    async leftOfGrants(userId) {
      const { entries } = await ledger.entries(userId, { limit: 1_000, before: null });
      const grants = entries.filter(({ kind }) => kind === 'purchase' || kind === 'included');
      return grants
        .toReversed()
        .map(({ seq }) =>
          entries
            .filter((entry) => entry.seq === seq || entry.reversesSeq === seq)
            .reduce((sum, { delta }) => sum + delta, 0),
        );
    },
  };
}

/** Takes everybody for who they say they are. */
const believe = createGuard(async ([userId = '']) => ({ kind: 'user', userId, actor: 'user' }));

/** A signed request of Stripe's; every part may be replaced. */
export function delivery(
  payload: string | Buffer,
  { secret = SECRET, timestamp = Date.now() / 1000, headers = {} } = {},
): InjectOptions {
  const text = payload.toString();
  const signature = Stripe.webhooks.generateTestHeaderString({ payload: text, secret, timestamp });
  return {
    method: 'POST',
    url: '/webhooks/stripe',
    payload,
    headers: { 'content-type': 'application/json', 'stripe-signature': signature, ...headers },
  };
}

/** Waits until `check` returns something true; fails after 10 s. */
export async function until(check: () => Promise<unknown>): Promise<void> {
  await expect.poll(check, { timeout: 10_000, interval: 10 }).toBeTruthy();
}
