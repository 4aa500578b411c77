import type { Pool } from 'pg';
import { HAS_FAILED_OFTEN, IS_LOW, IS_REVERSED, SPENT_THIS_MONTH } from './conditions.ts';
import { settled } from './settle.ts';

/** What a user wants to be bought by itself. Amounts are in the currency's smallest unit. */
export interface Wish {
  readonly userId: string;
  readonly price: string;
  readonly quantity: number;
  /** Fewer available credits than this are topped up. */
  readonly threshold: number;
  /** The most that is charged in a calendar month, UTC. */
  readonly monthlyCap: number;
  /** What one top-up costs. */
  readonly amount: number;
  readonly currency: string;
  readonly customer: string;
  /** The saved card (`pm_…`) that pays for it. */
  readonly paymentMethod: string;
}

/** A user's wish, and how it has gone. */
export interface Settings extends Omit<Wish, 'userId' | 'customer' | 'paymentMethod'> {
  readonly enabled: boolean;
  /** Why Purser switched it off, such as `payment_reversed` or a code of Stripe's. */
  readonly stoppedReason: string | null;
  readonly retryAt: Date | null;
  readonly spentThisMonth: number;
  readonly inProgress: boolean;
}

/** A user who opted in; `isLow` when the posted balance is below the threshold. */
export interface Watched {
  readonly userId: string;
  readonly threshold: number;
  readonly isLow: boolean;
}

const KEEPS_FAILURES = `(s.payment_method = excluded.payment_method OR ${HAS_FAILED_OFTEN})`;

/** The SQL of auto_top_ups. */
export type TopUpSettings = ReturnType<typeof createTopUpSettings>;

export function createTopUpSettings(pool: Pool) {
  /**
   * Switches it on. Failures and their back-off outlive that, and its having been off, while the
   * card is the same or too many have failed, or whoever saves again and again would have it charged
   * again and again. A claw-back that nobody was told of yet wins: it is off, and on when the user
   * says it once more.
   */
  async function save(wish: Wish): Promise<void> {
    await pool.query(
      `INSERT INTO auto_top_ups AS s (user_id, price, quantity, threshold, monthly_cap, amount,
                                      currency, customer, payment_method, enabled, enabled_at,
                                      seen_seq)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, true, clock_timestamp(),
               coalesce((SELECT max(l.seq) FROM credit_ledger l WHERE l.user_id = $1), 0))
           ON CONFLICT (user_id) DO UPDATE
          SET price = excluded.price, quantity = excluded.quantity,
              threshold = excluded.threshold, monthly_cap = excluded.monthly_cap,
              amount = excluded.amount, currency = excluded.currency,
              customer = excluded.customer, payment_method = excluded.payment_method,
              enabled = NOT (s.enabled AND ${IS_REVERSED}),
              stopped_reason = CASE WHEN s.enabled AND ${IS_REVERSED} THEN 'payment_reversed' END,
              enabled_at = excluded.enabled_at, seen_seq = excluded.seen_seq,
              failures = CASE WHEN ${KEEPS_FAILURES} THEN s.failures ELSE 0 END,
              retry_at = CASE WHEN ${KEEPS_FAILURES} AND s.failures > 0 THEN s.retry_at END`,
      [
        ...[wish.userId, wish.price, wish.quantity, wish.threshold, wish.monthlyCap],
        ...[wish.amount, wish.currency, wish.customer, wish.paymentMethod],
      ],
    );
  }

  /** As it is by now. Null for a user who never opted in. */
  function find(userId: string): Promise<Settings | null> {
    return settled(pool, userId, async (client) => {
      const { rows } = await client.query<Settings>(
        `SELECT enabled, price, quantity, threshold, monthly_cap AS "monthlyCap", amount, currency,
                stopped_reason AS "stoppedReason", retry_at AS "retryAt",
                ${SPENT_THIS_MONTH} AS "spentThisMonth",
                EXISTS (SELECT FROM auto_top_up_attempts a
                         WHERE a.user_id = s.user_id AND a.ended_at IS NULL) AS "inProgress"
           FROM auto_top_ups s
          WHERE user_id = $1`,
        [userId],
      );
      return rows[0] ?? null;
    });
  }

  async function switchOff(userId: string): Promise<void> {
    await pool.query(
      'UPDATE auto_top_ups SET enabled = false, stopped_reason = NULL WHERE user_id = $1',
      [userId],
    );
  }

  /** Tries nothing for an hour. @returns whether nothing has paused it before */
  async function pause(userId: string): Promise<boolean> {
    const { rowCount } = await pool.query(
      `UPDATE auto_top_ups SET retry_at = now() + interval '1 hour'
        WHERE user_id = $1 AND enabled AND (retry_at IS NULL OR retry_at <= now())`,
      [userId],
    );
    return rowCount === 1;
  }

  /** A page of those who opted in, in the order of their ids, after `after`. */
  async function watched(after: string, limit: number): Promise<readonly Watched[]> {
    const { rows } = await pool.query<Watched>(
      `SELECT user_id AS "userId", threshold,
              (retry_at IS NULL OR retry_at <= now()) AND ${IS_LOW} AS "isLow"
         FROM auto_top_ups s
        WHERE enabled AND user_id > $1
        ORDER BY user_id
        LIMIT $2`,
      [after, limit],
    );
    return rows;
  }

  return { save, find, switchOff, pause, watched };
}
