/**
 * The measured process: Purser's whole HTTP server over one of the two ledgers. Its parent sends
 * the settings, hears its origin, and may ask at any time how many commands came and were committed.
 */
import { pino } from 'pino';
import { buildApp } from '../src/app.ts';
import { bootstrapKey } from '../src/auth/key-store.ts';
import { createPool } from '../src/db/pool.ts';
import { createLedger, type Ledger } from '../src/ledger/ledger.ts';
import { createStripeClient } from '../src/stripe/api/client.ts';
import { createCatalogue } from '../src/stripe/catalogue/catalogue.ts';
import { publish } from '../src/stripe/catalogue/publish.ts';
import { createStripeReceiver } from '../src/stripe/receive/receiver.ts';
import { createClassicLedger } from './classic.ts';
import { CREDITS, PRICE } from './renewals.ts';
import type { Variant } from './scenarios.ts';
import { createBenchGuard } from './tokens.ts';

export interface ServerSettings {
  readonly variant: Variant;
  readonly databaseUrl: string;
  /** What the session tokens are sealed with. */
  readonly secret: string;
  /** A service key that may do everything. */
  readonly serviceKey: string;
  /** What Stripe's deliveries are signed with. */
  readonly webhookSecret: string;
}

export interface ServerCounts {
  /** Commands that the ledger was given. */
  readonly accepted: number;
  /** Commands of which the end is known; equal to `accepted` when nothing is under way. */
  readonly committed: number;
}

const TERMS = {
  credits: CREDITS,
  category: null,
  expires: 'never',
  trial: 'none',
  free: 'none',
  manual: 'none',
  name: null,
  description: null,
  forSale: true,
} as const;

process.once('message', async (settings: ServerSettings) => {
  const pool = createPool({ url: settings.databaseUrl, size: 10, onError: () => {} });
  await bootstrapKey(pool, settings.serviceKey);
  const ledger =
    settings.variant === 'purser'
      ? createLedger({ url: settings.databaseUrl, pool })
      : createClassicLedger(settings.databaseUrl);
  let accepted = 0;
  const counted: Ledger = {
    ...ledger,
    post: (command) => {
      accepted += 1;
      return ledger.post(command);
    },
    postAll: (commands) => {
      accepted += commands.length;
      return ledger.postAll(commands);
    },
  };
  const log = pino({ level: 'silent' });
  const receiver = createStripeReceiver({
    pool,
    url: settings.databaseUrl,
    ledger: counted,
    // Never asked: the deliveries hold everything.
    client: createStripeClient({ secretKey: 'sk_test_benchmark', apiBase: null }),
    secrets: [settings.webhookSecret],
    livemode: false,
    trustsReference: false,
    retentionDays: 90,
    catalogue: createCatalogue(pool),
    log,
  });
  const app = await buildApp({
    ledger: counted,
    operations: new Map(),
    userRoutes: async () => {},
    shop: async () => {},
    keyRoutes: async () => {},
    guard: createBenchGuard(settings.secret, pool),
    streams: {
      open: () => Promise.reject(new Error('bench/streams.ts measures them')),
      close() {},
    },
    rateLimits: { user: 0, key: 0 },
    signUp: { credits: 0, expireDays: 0 },
    userWrites: 'all',
    revokeSessions: async () => 0,
    allowedOrigins: [],
    listPacks: async () => [],
    stripeWebhook: receiver.routes,
    log,
    health: { checkDatabase: async () => {}, authDisabled: false, version: 'benchmark' },
  });
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  if (settings.variant === 'purser') {
    await publish(pool, { source: 'env', prices: new Map([[PRICE, TERMS]]) });
    await receiver.start();
  }
  process.on('message', () => {
    process.send?.({ accepted, committed: ledger.counts.commands } satisfies ServerCounts);
  });
  // Ends by itself when everything is closed, so that a profiler can write its file.
  process.once('disconnect', async () => {
    await app.close();
    await receiver.stop();
    await ledger.close();
    await pool.end();
  });
  process.send?.({ origin });
});
