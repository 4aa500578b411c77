import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type pg from 'pg';
import type { Stripe } from 'stripe';
import manifest from '../package.json' with { type: 'json' };
import { webhookRoutes } from './alerts/routes.ts';
import { type AlertWorker, createAlertWorker } from './alerts/worker.ts';
import { buildApp } from './app.ts';
import { createAuthenticator, createTestAuthenticator } from './auth/authenticator.ts';
import { createGuard } from './auth/guard.ts';
import { bootstrapKey } from './auth/key-store.ts';
import { createKeyring } from './auth/keyring.ts';
import { createSessionCutoffs } from './auth/session-cutoffs.ts';
import type { Config } from './config/config.ts';
import { migrate } from './db/migrate.ts';
import { createPool } from './db/pool.ts';
import { isUnavailable, toPurserError } from './db/sqlstate.ts';
import { PurserError } from './errors.ts';
import { createLedger, type Ledger } from './ledger/ledger.ts';
import { createSweep, type Sweep } from './ledger/sweep.ts';
import { createFeed } from './live/feed.ts';
import { createStreams, type StreamTimes } from './live/streams.ts';
import { withPlainErrors } from './log.ts';
import { metricsRoute } from './metrics/metrics.ts';
import { checkStripeAccount } from './stripe/api/account.ts';
import { createStripeClient } from './stripe/api/client.ts';
import { createCatalogue } from './stripe/catalogue/catalogue.ts';
import { createPacks } from './stripe/catalogue/packs.ts';
import { createPriceBook } from './stripe/catalogue/price-book.ts';
import { publish } from './stripe/catalogue/publish.ts';
import { createStripeReceiver, type StripeReceiver } from './stripe/receive/receiver.ts';
import { createReconciler } from './stripe/reconcile/reconcile.ts';
import { createSchedule, type Schedule } from './stripe/reconcile/schedule.ts';
import { createShop } from './stripe/shop/shop.ts';
import { createTopUp, type TopUp } from './stripe/top-up/top-up.ts';

export const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url));

/** A server that listens. */
export interface Server {
  readonly url: string;
  /**
   * Stops accepting, finishes what is in flight, drains the lanes and closes every connection.
   * Nothing that was acknowledged is lost, nothing that was accepted goes unanswered.
   */
  readonly close: () => Promise<void>;
}

/** How long connections may finish what they began, in milliseconds, before they are cut. */
const CLOSE_TIMEOUT = 5_000;

/** The parts of a server, put together but not started: nothing has been connected or read. */
export interface Parts {
  readonly app: FastifyInstance;
  readonly ledger: Ledger;
  readonly pool: pg.Pool;
  readonly reports: pg.Pool;
  readonly client: Stripe;
  readonly receiver: StripeReceiver;
  readonly listPacks: () => Promise<unknown>;
  readonly reconciliation: Schedule;
  readonly sweep: Sweep;
  readonly topUp: TopUp;
  readonly alerts: AlertWorker;
}

/** For tests: how often a live balance looks at what, in milliseconds. */
export interface LiveTimes {
  /** See `FeedOptions`. */
  readonly everyMs?: number;
  readonly times?: Partial<StreamTimes>;
}

/** Puts the parts together; each gets only the values it needs. */
export async function assemble(
  config: Config,
  output: FastifyBaseLogger,
  live: LiveTimes = {},
): Promise<Parts> {
  const log = withPlainErrors(output, isOutage);
  const { databaseUrl: url, auth, stripe } = config;
  const { expiringWithin } = config.alertRules;
  const onError = ({ message: reason }: Error) =>
    log.warn({ reason }, 'an idle database connection broke');
  const pool = createPool({ url, size: 10, onError });
  const reports = createPool({ url, size: 4, onError });
  const posting = createLedger({
    url,
    pool,
    reports,
    lanes: config.ledgerLanes,
    limits: config.ledgerLimits,
    alertRules: config.alertRules,
  });
  const feed = createFeed({ ledger: posting, log, ...live });
  const ledger = feed.watching(posting);
  const sweep = createSweep({ pool, post: ledger.post, expiringWithin, log });
  const targets = { allowsPrivate: config.allowsPrivateTargets };
  const alerts = createAlertWorker({ pool, targets, log });
  const client = createStripeClient(stripe);
  const catalogue = createCatalogue(pool);
  const { livemode } = stripe;
  const receiver = createStripeReceiver({
    pool,
    url,
    ledger,
    client,
    log,
    secrets: stripe.webhookSecrets,
    livemode,
    trustsReference: stripe.trustsReference,
    retentionDays: stripe.eventRetentionDays,
    catalogue,
  });
  const prices = createPriceBook(pool, receiver.processing.api);
  const shop = createShop({
    pool,
    processing: receiver.processing,
    catalogue,
    prices,
    balance: ledger.balance,
    invoicesPurchases: stripe.invoicesPurchases,
    frontEnd: config.frontEnd,
    origins: config.allowedOrigins,
    log,
  });
  const topUp = createTopUp({
    pool,
    processing: receiver.processing,
    catalogue,
    prices,
    frontEnd: config.frontEnd,
    origins: config.allowedOrigins,
    log,
  });
  const reconciliation = createSchedule({
    reconciler: createReconciler({ pool, processing: receiver.processing, livemode, log }),
    everyMinutes: stripe.reconcileEveryMinutes,
    log,
  });
  const listPacks = createPacks({ catalogue, prices, log });
  const records = { keyring: createKeyring(pool), cutoffs: createSessionCutoffs(pool) };
  const guard = createGuard(auth ? createAuthenticator(auth, records) : createTestAuthenticator());
  const app = await buildApp({
    ledger: topUp.watching(ledger),
    operations: config.operations,
    userRoutes: topUp.userRoutes,
    async shop(app) {
      await app.register(shop);
      await app.register(topUp.routes);
    },
    async keyRoutes(app) {
      await app.register(topUp.keyRoutes);
      await app.register(webhookRoutes(pool, targets));
      await app.register(metricsRoute(pool));
    },
    guard,
    streams: createStreams({ feed, guard, limit: config.streamLimit, ...live }),
    rateLimits: config.rateLimits,
    userWrites: config.userWrites,
    signUp: config.signUp,
    revokeSessions: records.cutoffs.revoke,
    allowedOrigins: config.allowedOrigins,
    health: {
      version: manifest.version,
      authDisabled: auth === null,
      checkDatabase: () => checkDatabase(pool),
    },
    listPacks,
    stripeWebhook: receiver.routes,
    log,
  });
  return {
    ...{ app, ledger, pool, reports, client },
    ...{ receiver, listPacks, reconciliation, sweep, topUp, alerts },
  };
}

/** Migrates the database and listens. Throws when the server may not run. */
export async function startServer(config: Config, log: FastifyBaseLogger): Promise<Server> {
  const { databaseUrl, adminKey, host, port, stripe } = config;
  await migrate(databaseUrl, { folder: MIGRATIONS, log: (sentence) => log.info(sentence) });
  const parts = await assemble(config, log);
  const { app, pool, client, receiver, reconciliation, sweep, topUp, alerts } = parts;
  try {
    const account = await checkStripeAccount({
      ...{ pool, client, livemode: stripe.livemode, records: true },
      takesSimulated: config.mode !== 'production',
    });
    if (!account.ok) throw new Error(`STRIPE_SECRET_KEY: ${account.problem}.`);
    if (account.account === null) log.warn('Stripe did not say whose key this is; serving anyway');
    for (const source of ['env', 'file'] as const) {
      await publish(pool, { source, prices: stripe.prices[source] });
    }
    if (adminKey !== null) await takeAdminKey(pool, adminKey, log);
    await listen(app, host, port);
    // So that already the first reader of the pricing page sees amounts.
    await parts.listPacks();
    await receiver.start();
    reconciliation.start();
    sweep.start();
    topUp.start();
    alerts.start();
  } catch (error) {
    await close(parts);
    throw error;
  }
  const address = app.server.address() as AddressInfo;
  return { url: `http://${hostInUrl(host)}:${address.port}`, close: () => close(parts) };
}

/** The key is for the first boot; later it may stay in the environment and has no effect. */
async function takeAdminKey(pool: pg.Pool, key: string, log: FastifyBaseLogger): Promise<void> {
  const taken = await bootstrapKey(pool, key);
  if (taken) log.info('PURSER_ADMIN_KEY is the first service key');
  else log.info('PURSER_ADMIN_KEY has no effect: there are service keys already');
}

/** Says what to do where Node only says EADDRINUSE. */
async function listen(app: FastifyInstance, host: string, port: number): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const problem = code === 'EADDRINUSE' ? 'something listens there already' : message;
    throw new Error(
      `The server cannot listen on ${host}, port ${port}: ${problem}. ` +
        'HOST and PORT choose another place.',
      { cause },
    );
  }
}

/** In the order in which the parts use each other. */
async function close(parts: Parts): Promise<void> {
  const { app, receiver, reconciliation, sweep, topUp, alerts, ledger, pool, reports } = parts;
  const cut = setTimeout(() => app.server.closeAllConnections(), CLOSE_TIMEOUT);
  await app.close();
  clearTimeout(cut);
  const workers = [receiver, reconciliation, sweep, topUp, alerts];
  await Promise.all(workers.map((worker) => worker.stop()));
  await ledger.close();
  await Promise.all([pool.end(), reports.end()]);
}

/** What is answered with a 503 is no bug. */
function isOutage(error: unknown): boolean {
  return isUnavailable(error) || (error instanceof PurserError && error.status === 503);
}

async function checkDatabase(pool: pg.Pool): Promise<void> {
  try {
    await pool.query('SELECT 1');
  } catch (error) {
    throw toPurserError(error);
  }
}

/** The address under which this machine reaches a server that listens on `host`. */
function hostInUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
