import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger, FastifyPluginAsync } from 'fastify';
import type { Pool } from 'pg';
import type { Stripe } from 'stripe';
import { createBatchSession } from '../db/batch-session.ts';
import type { Command, Outcome } from '../ledger/command.ts';
import { createStripeApi } from './api.ts';
import type { Catalogue } from './catalogue.ts';
import { createInbox } from './inbox.ts';
import { createPaymentRecords } from './payment-records.ts';
import { createPayments } from './payments.ts';
import { createAttempt } from './process.ts';
import { removeOldPayloads } from './retention.ts';
import { createReversals } from './reversals.ts';
import { createTakeBack } from './take-back.ts';
import { createUsers } from './users.ts';
import { API_IS_BACK, priceIsKnown } from './verdicts.ts';
import { createWebhook } from './webhook.ts';
import { createWorker } from './worker.ts';

export interface StripeReceiverOptions {
  readonly pool: Pool;
  /** The database's URL, for the connection that the receiver keeps to itself. */
  readonly url: string;
  readonly ledger: { readonly post: (command: Command) => Promise<Outcome> };
  readonly client: Stripe;
  /** The endpoint's signing secret, and those before it during a roll-over. */
  readonly secrets: readonly string[];
  /** The mode of the client's key; see `livemodeOf`. */
  readonly livemode: boolean;
  readonly catalogue: Catalogue;
  readonly log: FastifyBaseLogger;
  /** When a delivery is answered at the latest, whatever goes on, in milliseconds. */
  readonly answerWithin?: number;
  /** The most deliveries that attempt their event themselves at once. */
  readonly attemptsAtOnce?: number;
  readonly workerConcurrency?: number;
  /** How many days the payloads of settled events are kept; 0: for ever. */
  readonly retentionDays: number;
  /** How long the worker waits when nothing is due, in milliseconds. */
  readonly workerIdle?: number;
}

/** How long a shutdown waits for Stripe's API, in milliseconds. */
const STOP_WITHIN = 3_000;

/** Turns Stripe's events into credits. */
export interface StripeReceiver {
  /** The webhook; register it on the root instance. */
  readonly routes: FastifyPluginAsync;
  /** Starts the worker, after waking what waited for a price that is known by now. */
  readonly start: () => Promise<void>;
  /**
   * Takes no more events and waits for the attempts under way, at most 3 seconds: what is cut off
   * is taken up again when its lease is over. Call it before the ledger and the pool close.
   */
  readonly stop: () => Promise<void>;
}

export function createStripeReceiver(options: StripeReceiverOptions): StripeReceiver {
  const { pool, url, ledger, client, secrets, livemode, catalogue, retentionDays, log } = options;
  const { answerWithin = 4_000, attemptsAtOnce = 100 } = options;
  const { workerConcurrency = 64, workerIdle = 1_000 } = options;
  const session = createBatchSession(url);
  const inbox = createInbox(pool, session);
  // A few seconds, so that an object which always fails is not retried at every other's success.
  const api = createStripeApi(client, () => inbox.wake([API_IS_BACK], 5));
  const payments = createPayments(pool, session);
  const records = createPaymentRecords(pool, session);
  const reversals = createReversals(pool, session);
  const { post } = ledger;
  const attempt = createAttempt({
    inbox,
    users: createUsers(pool, session),
    payments,
    records,
    takeBack: createTakeBack({ api, payments, records, reversals, post }),
    api,
    post,
    catalogue,
    livemode,
    log,
  });
  const webhook = createWebhook({ inbox, attempt, secrets, answerWithin, atOnce: attemptsAtOnce });
  const worker = createWorker({
    inbox,
    attempt,
    log,
    concurrency: workerConcurrency,
    idle: workerIdle,
    async tidy(stopping) {
      const removed = await removeOldPayloads(pool, retentionDays, stopping);
      if (removed > 0) log.info({ removed }, 'old payloads of Stripe events were removed');
    },
  });
  return {
    routes: webhook.routes,
    async start() {
      await inbox.wake((await catalogue.known()).map(priceIsKnown));
      worker.start();
    },
    async stop() {
      const waiting = new AbortController();
      const tooLong = sleep(STOP_WITHIN, null, { signal: waiting.signal }).catch(() => null);
      await Promise.race([Promise.all([worker.stop(), webhook.settled()]), tooLong]);
      waiting.abort();
      await session.close();
    },
  };
}
