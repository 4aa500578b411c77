import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type pg from 'pg';
import type { Ledger } from './ledger.ts';
import { moveEarlier, noteWindow } from './sweep-schedule.ts';

export interface SweepOptions {
  readonly pool: pg.Pool;
  readonly post: Ledger['post'];
  /** See `AlertRules`; the ledger's. */
  readonly expiringWithin: number;
  readonly log: Pick<FastifyBaseLogger, 'warn'>;
  /** See `LedgerOptions`. */
  readonly clockOffset?: number;
}

/** Posts what becomes due on accounts that nobody uses: ended holds and expired lots. */
export interface Sweep {
  readonly start: () => void;
  /** Looks once at every account whose time has come; returns how many there were. */
  readonly run: () => Promise<number>;
  /** Ends after the accounts under way. */
  readonly stop: () => Promise<void>;
}

/** How many accounts are posted at once. */
const BATCH = 500;
/** How long to wait when no more is due, in milliseconds, give or take a quarter. */
const PAUSE = 5_000;
/** How long an account that failed is left alone, in seconds: twice as long each time. */
const BACK_OFF = { first: 60, longest: 86_400 } as const;

const FIND_DUE = `
  SELECT user_id
    FROM stripe_customers
   WHERE next_due_at <= clock_timestamp() + $1 * interval '1 millisecond'
   ORDER BY next_due_at
   LIMIT ${BATCH}`;

const BACK_OFF_ACCOUNTS = `
  UPDATE stripe_customers c
     SET next_due_at = clock_timestamp()
                     + $3 * interval '1 millisecond' + failed.seconds * interval '1 second'
    FROM unnest($1::text[], $2::int[]) AS failed (user_id, seconds)
   WHERE c.user_id = failed.user_id`;

/**
 * A command or a read posts or shows what is due by itself; this is for the statement, the SQL view
 * and the alerts of idle accounts. Several servers may sweep at once: what one has posted is not due
 * for the other any more.
 */
export function createSweep({
  pool,
  post,
  expiringWithin,
  log,
  clockOffset = 0,
}: SweepOptions): Sweep {
  const stopping = new AbortController();
  const failures = new Map<string, number>();
  let running: Promise<void> | null = null;
  let away = false;
  let noted = false;

  async function run(): Promise<number> {
    if (!noted) await noteWindow(pool, expiringWithin, clockOffset);
    noted = true;
    let swept = 0;
    for (;;) {
      const moving = await moveEarlier(pool, clockOffset);
      const { rows } = await pool.query<{ user_id: string }>(FIND_DUE, [clockOffset]);
      const failed: string[] = [];
      await Promise.all(rows.map(({ user_id: userId }) => sweepOne(userId, failed)));
      await backOff(failed);
      swept += rows.length;
      if ((rows.length < BATCH && !moving) || stopping.signal.aborted) return swept;
    }
  }

  async function sweepOne(userId: string, failed: string[]): Promise<void> {
    try {
      await post({ kind: 'post_due', userId, actor: 'system', idempotencyKey: null });
      failures.delete(userId);
    } catch (error) {
      failed.push(userId);
      log.warn({ err: error, user: userId }, 'what is due on an account cannot be posted');
    }
  }

  /** So that an account that fails does not come first for ever. */
  async function backOff(failed: readonly string[]): Promise<void> {
    if (failed.length === 0) return;
    const seconds = failed.map((userId) => {
      const times = failures.get(userId) ?? 0;
      failures.set(userId, times + 1);
      return Math.min(BACK_OFF.first * 2 ** times, BACK_OFF.longest);
    });
    await pool.query(BACK_OFF_ACCOUNTS, [failed, seconds, clockOffset]);
  }

  async function repeat(): Promise<void> {
    const { signal } = stopping;
    while (!signal.aborted) {
      try {
        await run();
        away = false;
      } catch (error) {
        // Once in an outage, not every time it is tried again.
        if (!away) log.warn({ err: error }, 'the accounts that are due cannot be read');
        away = true;
      }
      await sleep(PAUSE * (0.75 + Math.random() / 2), null, { signal }).catch(() => null);
    }
  }

  return {
    run,
    start() {
      running ??= repeat();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
