import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Inbox } from './inbox.ts';
import type { Attempt } from './process.ts';

export interface WorkerOptions {
  readonly inbox: Inbox;
  readonly attempt: Attempt;
  readonly log: FastifyBaseLogger;
  /** How many events are attempted at once. */
  readonly concurrency: number;
  /** How long to wait before looking again when nothing is due, in milliseconds. */
  readonly idle: number;
}

/** Takes the events that are due and that no delivery took. */
export interface Worker {
  readonly start: () => void;
  /** Takes no more events, and resolves when the attempts under way have ended. */
  readonly stop: () => Promise<void>;
}

/** How long to leave a database alone that failed, in milliseconds. */
const AFTER_ERROR = 2_000;

/**
 * Each of the hands takes one event at a time, so an event that hangs or fails holds up one hand
 * for its own bounded time and none of the other events.
 */
export function createWorker({ inbox, attempt, log, concurrency, idle }: WorkerOptions): Worker {
  const stopping = new AbortController();
  let hands: readonly Promise<void>[] = [];

  async function work(): Promise<void> {
    while (!stopping.signal.aborted) await pause(await takeOne());
  }

  /** Attempts the event that is due longest, and returns how long to wait before the next. */
  async function takeOne(): Promise<number> {
    try {
      const [claim] = await inbox.claim(1);
      if (!claim) return idle;
      await attempt(claim);
      return 0;
    } catch (error) {
      log.warn({ err: error }, 'the Stripe inbox cannot be read');
      return AFTER_ERROR;
    }
  }

  async function pause(time: number): Promise<void> {
    if (time > 0) await sleep(time, null, { signal: stopping.signal }).catch(() => null);
  }

  return {
    start() {
      if (hands.length === 0) hands = Array.from({ length: concurrency }, work);
    },
    async stop() {
      stopping.abort();
      await Promise.all(hands);
    },
  };
}
