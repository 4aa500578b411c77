import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger, FastifyPluginAsync } from 'fastify';
import type { Pool } from 'pg';
import { keyDoor, userDoor } from '../../door.ts';
import { PurserError } from '../../errors.ts';
import type { Entry } from '../../ledger/core/entry.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { PriceBook } from '../catalogue/price-book.ts';
import type { Processing } from '../fulfil/processing.ts';
import { createCustomers } from '../shop/customers.ts';
import { createReturnUrls } from '../shop/return-urls.ts';
import { type Attempt, createTopUpAttempts } from './attempts.ts';
import { createCharge } from './charge.ts';
import { createOptIn } from './opt-in.ts';
import { autoTopUpRoutes, optInRoute } from './routes/auto-top-up.ts';
import { createSetupSessionRoute } from './routes/create-setup-session.ts';
import { createTopUpSettings } from './settings.ts';

export interface TopUpOptions {
  readonly pool: Pool;
  readonly processing: Pick<Processing, 'api' | 'users' | 'intents'>;
  readonly catalogue: Pick<Catalogue, 'find'>;
  readonly prices: PriceBook;
  /** See `ShopOptions`. */
  readonly frontEnd: string;
  readonly origins: readonly string[];
  readonly log: FastifyBaseLogger;
}

/** Buys credits for who opted in, with their saved card, when few are left. */
export interface TopUp {
  /** With which signed-in users opt in; register all of these behind the guard. */
  readonly routes: FastifyPluginAsync;
  /** With which they see and end it, also where they may no longer opt in. */
  readonly userRoutes: FastifyPluginAsync;
  /** The same for service keys. */
  readonly keyRoutes: FastifyPluginAsync;
  /** The same ledger, of whose outcomes it is told after their commit. */
  readonly watching: (ledger: Ledger) => Ledger;
  /** Looks once at all who opted in, and at the attempts that were left. */
  readonly sweep: () => Promise<void>;
  readonly start: () => void;
  /** Ends after the attempts under way, or after 3 seconds: another server takes those up. */
  readonly stop: () => Promise<void>;
}

/** How many settings are read at once, and how many attempts are under way here at most. */
const PAGE = 500;
const AT_ONCE = 4;
/** How many thresholds are kept in memory; of further users only the sweep notices. */
const WATCHED = 100_000;
/** In milliseconds, give or take a quarter. */
const PAUSE = 15_000;
const STOP_WITHIN = 3_000;

/** See `TopUp`. Each attempt is begun in the database, so that several servers begin one. */
export function createTopUp(options: TopUpOptions): TopUp {
  const { pool, processing, catalogue, prices, frontEnd, origins, log } = options;
  const { api, users, intents } = processing;
  const settings = createTopUpSettings(pool);
  const attempts = createTopUpAttempts(pool);
  const charge = createCharge({ api, intents, attempts });
  const customers = createCustomers({ pool, api, users });
  const optIn = createOptIn({ api, catalogue, prices, customers, settings });
  const stopping = new AbortController();
  const running = new Map<string, Promise<void>>();
  const again = new Set<string>();
  let thresholds = new Map<string, number>();
  let repeating: Promise<void> = Promise.resolve();

  /** Looks whether a user is to be topped up; where there is no room for that, the sweep will. */
  function topUp(userId: string): void {
    if (stopping.signal.aborted) return;
    // What is under way may have looked before this was known.
    if (running.has(userId)) again.add(userId);
    else if (running.size < AT_ONCE) running.set(userId, lookAt(userId));
  }

  async function lookAt(userId: string): Promise<void> {
    do {
      again.delete(userId);
      await attemptFor(userId).catch(warnOf(userId));
    } while (again.has(userId) && !stopping.signal.aborted);
    running.delete(userId);
  }

  /** One that fails holds up nobody else; it is taken up after its lease. */
  function warnOf(userId: string): (error: unknown) => void {
    return (error) => log.warn({ err: error, user: userId }, 'an auto top-up failed');
  }

  async function attemptFor(userId: string): Promise<void> {
    const wish = await settings.find(userId);
    if (!wish?.enabled) return;
    if (thresholds.size < WATCHED) thresholds.set(userId, wish.threshold);
    const terms = (await catalogue.find([wish.price])).get(wish.price);
    if (!terms?.forSale || terms.credits === 0) {
      if (await settings.pause(userId)) {
        log.warn(
          { user: userId, price: wish.price },
          'the price of an auto top-up is not for sale',
        );
      }
      return;
    }
    const attempt = await attempts.begin(userId, terms.version);
    if (attempt !== null) await carryOut(attempt);
  }

  async function carryOut(attempt: Attempt): Promise<void> {
    const { id, userId } = attempt;
    const charged = await charge(attempt);
    const fields = { attempt: id, user: userId };
    switch (charged.kind) {
      case 'charged':
        await attempts.charged(id, charged.at);
        return log.info(fields, 'an auto top-up was charged');
      case 'failed':
        await attempts.failed(attempt, charged.reason);
        return log.warn({ ...fields, reason: charged.reason }, 'an auto top-up was not paid');
      case 'unknown':
        return log.warn({ ...fields, reason: charged.reason }, 'an auto top-up is taken up later');
    }
  }

  async function sweep(): Promise<void> {
    for (;;) {
      const left = stopping.signal.aborted ? null : await attempts.takeUp();
      if (left === null) break;
      await carryOut(left).catch(warnOf(left.userId));
    }
    const seen = new Map<string, number>();
    let after = '';
    for (;;) {
      const page = await settings.watched(after, PAGE);
      for (const { userId, threshold, isLow } of page) {
        if (seen.size < WATCHED) seen.set(userId, threshold);
        if (!isLow) continue;
        if (running.size >= AT_ONCE) await Promise.race(running.values());
        topUp(userId);
      }
      after = page.at(-1)?.userId ?? '';
      if (page.length < PAGE || stopping.signal.aborted) break;
    }
    thresholds = seen;
    await Promise.all(running.values());
  }

  async function repeat(): Promise<void> {
    const { signal } = stopping;
    while (!signal.aborted) {
      await sweep().catch((error: unknown) =>
        log.warn({ err: error }, 'who is to be topped up cannot be read'),
      );
      await sleep(PAUSE * (0.75 + Math.random() / 2), null, { signal }).catch(() => null);
    }
  }

  function notice({ userId, balance, held }: Entry): void {
    const threshold = thresholds.get(userId);
    if (threshold !== undefined && balance - held < threshold) topUp(userId);
  }

  return {
    async routes(app) {
      await app.register(optInRoute({ optIn, settings, topUp }));
      const urls = createReturnUrls(frontEnd, origins);
      await app.register(createSetupSessionRoute({ api, prices, customers, urls }));
    },
    userRoutes: autoTopUpRoutes(settings, userDoor('all')),
    keyRoutes: autoTopUpRoutes(settings, keyDoor),
    watching: (ledger) => ({
      ...ledger,
      async post(command) {
        const outcome = await ledger.post(command);
        if (outcome.ok) notice(outcome.entry);
        return outcome;
      },
      async postAll(commands) {
        const settled = await ledger.postAll(commands);
        for (const one of settled) {
          if (!(one instanceof PurserError) && one.ok) notice(one.entry);
        }
        return settled;
      },
    }),
    sweep,
    start() {
      repeating = repeat();
    },
    async stop() {
      stopping.abort();
      const waiting = new AbortController();
      const tooLong = sleep(STOP_WITHIN, null, { signal: waiting.signal }).catch(() => null);
      await Promise.race([Promise.all([repeating, ...running.values()]), tooLong]);
      waiting.abort();
    },
  };
}
