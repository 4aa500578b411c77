import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Attempt } from '../fulfil/attempt.ts';
import type { Inbox } from '../inbox/inbox.ts';

export interface WorkerOptions {
  readonly inbox: Inbox;
  readonly attempt: Attempt;
  readonly log: FastifyBaseLogger;
  /** How many events are attempted at once. */
  readonly concurrency: number;
  /** How long to wait before looking again when nothing is due, in milliseconds. */
  readonly idle: number;
  /** Done at the start and then once an hour, beside the events, which do not wait for it. */
  readonly tidy: (stopping: AbortSignal) => Promise<void>;
}

/** Takes the events that are due and that no delivery took. */
export interface Worker {
  readonly start: () => void;
  /** Takes no more events, and resolves when the attempts under way have ended. */
  readonly stop: () => Promise<void>;
}

/** How long to leave a database alone that failed, in milliseconds. */
const AFTER_ERROR = 2_000;
/** How long after tidying up it is done again, in milliseconds. */
const TIDY_EVERY = 3_600_000;

/**
 * Hands out what is due, one query for all free hands, so that an idle server asks once in a while.
 * An event that hangs or fails holds up one hand for its own bounded time, and no other event.
 */
export function createWorker(options: WorkerOptions): Worker {
  const { inbox, attempt, log, concurrency, idle, tidy } = options;
  const stopping = new AbortController();
  const busy = new Set<Promise<unknown>>();
  let running: Promise<void> | null = null;
  let away = false;
  let tidying: Promise<void> | null = null;
  let tidyAgainAt = 0;

  async function work(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (tidying === null && Date.now() >= tidyAgainAt) tidying = tidyUp();
      const wait = await handOut();
      if (wait > 0) await pause(wait);
      else if (busy.size >= concurrency) await someEnded();
    }
    await Promise.all([...busy, tidying]);
  }

  /** Attempts end in groups, because they share statements: all of a group make one query. */
  async function someEnded(): Promise<void> {
    await Promise.race(busy);
    await nextTurn();
  }

  async function tidyUp(): Promise<void> {
    try {
      await tidy(stopping.signal);
    } catch (error) {
      log.warn({ err: error }, 'the Stripe inbox cannot be tidied up');
    }
    tidying = null;
    tidyAgainAt = Date.now() + TIDY_EVERY;
  }

  /** Starts as many due events as there are free hands; returns how long to wait for more. */
  async function handOut(): Promise<number> {
    try {
      const claims = await inbox.claim(concurrency - busy.size);
      if (away) log.info('the Stripe inbox can be read again');
      away = false;
      for (const claim of claims) {
        const hand = attempt(claim).finally(() => busy.delete(hand));
        busy.add(hand);
      }
      return claims.length === 0 ? idle : 0;
    } catch (error) {
      // Once in an outage, not every time it is tried again.
      if (!away) log.warn({ reason: messageOf(error) }, 'the Stripe inbox cannot be read');
      away = true;
      return AFTER_ERROR;
    }
  }

  async function pause(time: number): Promise<void> {
    await sleep(time, null, { signal: stopping.signal }).catch(() => null);
  }

  return {
    start() {
      running ??= work();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
