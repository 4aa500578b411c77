import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyPluginAsync } from 'fastify';
import { createBatchSession } from '../../db/batch-session.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { createProcessing, type Processing, type ProcessingOptions } from '../fulfil/processing.ts';
import { removeOldPayloads } from '../inbox/retention.ts';
import { priceIsKnown } from '../inbox/verdicts.ts';
import { createWebhook } from './webhook.ts';
import { createWorker } from './worker.ts';

export interface StripeReceiverOptions extends Omit<ProcessingOptions, 'session'> {
  /** The database's URL, for the connection that the receiver keeps to itself. */
  readonly url: string;
  /** The endpoint's signing secret, and those before it during a roll-over. */
  readonly secrets: readonly string[];
  readonly catalogue: Catalogue;
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
  /** What carries events out, for those who learn of the same things otherwise. */
  readonly processing: Processing;
  /** Starts the worker, after waking what waited for a price that is known by now. */
  readonly start: () => Promise<void>;
  /**
   * Takes no more events and waits for the attempts under way, at most 3 seconds: what is cut off
   * is taken up again when its lease is over. Call it before the ledger and the pool close.
   */
  readonly stop: () => Promise<void>;
}

export function createStripeReceiver(options: StripeReceiverOptions): StripeReceiver {
  const { pool, url, secrets, catalogue, retentionDays, log } = options;
  const { answerWithin = 4_000, attemptsAtOnce = 100 } = options;
  const { workerConcurrency = 64, workerIdle = 1_000 } = options;
  const session = createBatchSession(url);
  const processing = createProcessing({ ...options, session });
  const { inbox, attempt } = processing;
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
    processing,
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
