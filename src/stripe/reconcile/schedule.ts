import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Reconciler } from './reconcile.ts';
import { isInOrder } from './report.ts';

export interface ScheduleOptions {
  readonly reconciler: Reconciler;
  /** 0 for never. */
  readonly everyMinutes: number;
  readonly log: FastifyBaseLogger;
  /** How long after the start the first run begins, in milliseconds. */
  readonly firstAfter?: number;
  /** From 0 to 1, so that servers which boot together do not run together. */
  readonly random?: () => number;
}

/** Reconciles once in a while, beside everything else. */
export interface Schedule {
  readonly start: () => void;
  /** Ends a run under way at its next step, and resolves then, or after 3 seconds. */
  readonly stop: () => Promise<void>;
}

/** A server that has just booted has other things to do; in milliseconds. */
const FIRST_AFTER = 60_000;
/** How much earlier or later than planned a run begins, as a share of the pause. */
const JITTER = 0.1;
/** How long a shutdown waits for a step, in milliseconds. */
const STOP_WITHIN = 3_000;

/** One server of several runs, whichever is first; the others find that it was done. */
export function createSchedule(options: ScheduleOptions): Schedule {
  const { reconciler, everyMinutes, log, random = Math.random } = options;
  const { firstAfter = FIRST_AFTER } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const pause = everyMinutes * 60_000;
  let running: Promise<void> = Promise.resolve();

  async function repeat(): Promise<void> {
    for (let wait = firstAfter; ; wait = pause) {
      const jitter = 1 + JITTER * (2 * random() - 1);
      await sleep(wait * jitter, null, { signal }).catch(() => null);
      if (signal.aborted) return;
      await reconcile();
    }
  }

  async function reconcile(): Promise<void> {
    try {
      // A little less, or a run that is early by the jitter would be none.
      const every = everyMinutes * 60 * (1 - 2 * JITTER);
      const report = await reconciler.run({ apply: true, since: null, every, signal });
      if (!report) return;
      for (const finding of report.findings) {
        const { kind, code, object, user, credits, why, done, repaired } = finding;
        const fields = { kind, code, object, user, credits, why, done, repaired };
        log[repaired ? 'info' : 'warn'](fields, 'reconciliation found');
      }
      const { found, repaired, left, waiting, problems, counts } = report;
      const level = isInOrder(report) ? 'info' : 'warn';
      log[level]({ found, repaired, left, waiting, problems, counts }, 'reconciled with Stripe');
    } catch (error) {
      // A shutdown does not wait for a step that hangs, and takes the connections from it.
      if (signal.aborted) return;
      log.warn({ err: error }, 'reconciliation failed; the next run begins where this one did');
    }
  }

  return {
    start() {
      if (everyMinutes > 0) running = repeat();
    },
    async stop() {
      stopping.abort();
      const waiting = new AbortController();
      const tooLong = sleep(STOP_WITHIN, null, { signal: waiting.signal }).catch(() => null);
      await Promise.race([running, tooLong]);
      waiting.abort();
    },
  };
}
