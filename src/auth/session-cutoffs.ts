import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { toPurserError } from '../db/sqlstate.ts';
import { PurserError } from '../errors.ts';

/** Since when each user's session tokens count; times in milliseconds since 1970. */
export interface SessionCutoffs {
  /**
   * Sees to it that what is known is fresh enough at `now`.
   * @returns null when it is; else what to wait for, which rejects with `database_unavailable` when
   *   what is known is too old to go by
   */
  readonly refresh: (now: number) => Promise<void> | null;
  /** A token of the user that was issued before this moment is revoked. */
  readonly of: (userId: string) => number;
  /**
   * Revokes every token that the user was issued before now, by the database's clock.
   * @returns that moment
   */
  readonly revoke: (userId: string) => Promise<number>;
}

// A revocation holds on the server that carries it out at once, and on every other one after
// `MAX_AGE` at the latest: a busy server asks every `REFRESH_EVERY` without anybody waiting for it,
// and an idle one before it lets the next user in.
const REFRESH_EVERY = 2_000;
const MAX_AGE = 5_000;
/** How long somebody waits for that; then what is known has to do, unless it is too old. */
const PATIENCE = 1_000;
/**
 * How long what is known serves on while the database does not answer. That harms little: without
 * it nothing can be read or spent. What comes later is a 503.
 */
const MAX_STALE = 30_000;
/** The least time between two attempts that fail. */
const PAUSE = 500;
/**
 * How far each question reaches back before the one before: a revocation carries its moment from
 * before its commit, which the time-out of a statement keeps well within.
 */
const OVERLAP = 60_000;

/**
 * The cutoffs in memory. Only those of the last 31 days are loaded, since no token lives longer,
 * and then only what is new: an index probe every two seconds, however many there are. On the path
 * of a request it is a look into a map.
 */
export function createSessionCutoffs(pool: Pool): SessionCutoffs {
  const cutoffs = new Map<string, number>();
  let since = 0;
  let knownAt = Number.NEGATIVE_INFINITY;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking = false;
  let answer = Promise.resolve();

  async function ask(now: number): Promise<void> {
    asking = true;
    askedAt = now;
    try {
      const { rows } = await pool.query<Row>(NEW_CUTOFFS, [since]);
      for (const { userId, validAfter } of rows) {
        if (userId !== null) cutoffs.set(userId, validAfter);
      }
      since = (rows[0]?.now ?? 0) - OVERLAP;
      knownAt = now;
    } catch {
      // Nothing is known of it that the requests themselves will not find out.
    } finally {
      asking = false;
    }
  }

  async function untilFresh(now: number): Promise<void> {
    await answer;
    if (now - knownAt >= MAX_STALE) throw new PurserError('database_unavailable');
  }

  return {
    of: (userId) => cutoffs.get(userId) ?? 0,
    async revoke(userId) {
      const validAfter = await writeCutoff(pool, userId);
      cutoffs.set(userId, validAfter);
      return validAfter;
    },
    refresh(now) {
      // Also when the clock was set back.
      const age = Math.abs(now - knownAt);
      if (age < REFRESH_EVERY) return null;
      if (!asking && Math.abs(now - askedAt) >= PAUSE) {
        answer = Promise.race([ask(now), delay(PATIENCE, undefined, { ref: false })]);
      }
      return age < MAX_AGE ? null : untilFresh(now);
    },
  };
}

interface Row {
  now: number;
  userId: string | null;
  validAfter: number;
}

const milliseconds = (moment: string) => `floor(extract(epoch FROM ${moment}) * 1000)::bigint`;

/** At least one row, which tells the database's clock. */
const NEW_CUTOFFS = `
  SELECT ${milliseconds('asked.now')}     AS now,
         c.user_id                        AS "userId",
         ${milliseconds('c.valid_after')} AS "validAfter"
    FROM (SELECT now()) AS asked
    LEFT JOIN session_cutoffs c
      ON c.valid_after > greatest(to_timestamp($1::float8 / 1000), asked.now - interval '31 days')`;

async function writeCutoff(pool: Pool, userId: string): Promise<number> {
  try {
    const { rows } = await pool.query<{ validAfter: number }>(
      `INSERT INTO session_cutoffs AS c (user_id, valid_after) VALUES ($1, now())
           ON CONFLICT (user_id)
           DO UPDATE SET valid_after = greatest(c.valid_after, excluded.valid_after)
       RETURNING ${milliseconds('c.valid_after')} AS "validAfter"`,
      [userId],
    );
    return rows[0]?.validAfter ?? 0;
  } catch (error) {
    throw toPurserError(error);
  }
}
