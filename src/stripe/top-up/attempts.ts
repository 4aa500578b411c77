import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import {
  HAS_FAILED_OFTEN,
  IS_LOW,
  IS_REVERSED,
  IS_UNUSED,
  SPENT_THIS_MONTH,
} from './conditions.ts';
import { locked, settled } from './settle.ts';

/** One attempt at a top-up; what it was begun with never changes. */
export interface Attempt {
  /** Stripe's idempotency keys are made from it. */
  readonly id: string;
  readonly userId: string;
  readonly price: string;
  /** Of the price's terms. */
  readonly version: number;
  readonly quantity: number;
  /** Of all of it, in the currency's smallest unit. */
  readonly amount: number;
  readonly currency: string;
  readonly customer: string;
  readonly paymentMethod: string;
  /** `in_…`, once Stripe has made it. */
  readonly invoice: string | null;
  /** Whether it is still switched on; one that was begun is wanted. */
  readonly wanted: boolean;
}

/** The SQL of auto_top_up_attempts. */
export type TopUpAttempts = ReturnType<typeof createTopUpAttempts>;

/** How long one server works at an attempt before another may take it up, in seconds. */
const LEASE = 60;
/** How long a card is left alone after each failure in a row, in seconds; the last one stops it. */
const BACK_OFF = [3_600, 6 * 3_600, 86_400] as const;

const COLUMNS = `id, user_id AS "userId", price, version, quantity, amount, currency, customer,
                 payment_method AS "paymentMethod", invoice,
                 (SELECT s.enabled FROM auto_top_ups s WHERE s.user_id = a.user_id) AS wanted`;

export function createTopUpAttempts(pool: Pool) {
  /**
   * Begins an attempt, if one is wanted: switched on, too few credits, some of them used since the
   * last one, nothing in flight, no back-off and below the cap. An attempt whose credits are there
   * is over before that, and its credits count.
   */
  function begin(userId: string, version: number): Promise<Attempt | null> {
    return settled(pool, userId, async (client) => {
      const { rows } = await client.query<Attempt>(BEGIN, [userId, randomUUID(), version]);
      return rows[0] ?? null;
    });
  }

  /** Takes up an open attempt whose server has not finished it; null when another one has. */
  async function takeUp(): Promise<Attempt | null> {
    const { rows } = await pool.query<Attempt>(
      `UPDATE auto_top_up_attempts a
          SET leased_until = now() + interval '${LEASE} seconds'
        WHERE id = (SELECT id
                      FROM auto_top_up_attempts
                     WHERE ended_at IS NULL AND state = 'open' AND leased_until <= now()
                     ORDER BY leased_until
                     LIMIT 1
                       FOR UPDATE SKIP LOCKED)
    RETURNING ${COLUMNS}`,
    );
    return rows[0] ?? null;
  }

  async function nameInvoice(id: string, invoice: string): Promise<void> {
    await pool.query('UPDATE auto_top_up_attempts SET invoice = $2 WHERE id = $1', [id, invoice]);
  }

  /** The money was taken `at` that time, or just now; the credits come with Stripe's event. */
  async function charged(id: string, at: Date | null): Promise<void> {
    await pool.query(
      `UPDATE auto_top_up_attempts SET state = 'charged', charged_at = coalesce($2, now())
        WHERE id = $1 AND state = 'open'`,
      [id, at],
    );
  }

  /**
   * No money has come. After a number of failures in a row it is switched off, and at once for what
   * only the user can mend: Stripe no longer has the customer, the card or the price. It is not held
   * against another card, which the user may have said meanwhile, while few have failed that day;
   * nor that it was switched off.
   */
  async function failed({ id, userId }: Attempt, reason: string): Promise<void> {
    const values = [id, reason, BACK_OFF, BACK_OFF.length];
    await locked(pool, userId, (client) => client.query(FAILED, values));
  }

  return { begin, takeUp, nameInvoice, charged, failed };
}

/** In one statement: a claw-back that has just made the credits few is seen with them. */
const BEGIN = `
  INSERT INTO auto_top_up_attempts AS a (id, user_id, price, version, quantity, amount, currency,
                                         customer, payment_method, state, started_at, leased_until)
  SELECT $2, user_id, price, $3, quantity, amount, currency, customer, payment_method, 'open',
         now(), now() + interval '${LEASE} seconds'
    FROM auto_top_ups s
   WHERE user_id = $1 AND enabled AND (retry_at IS NULL OR retry_at <= now())
     AND ${IS_LOW} AND NOT ${IS_UNUSED} AND NOT ${IS_REVERSED}
     AND ${SPENT_THIS_MONTH} + amount <= monthly_cap
      ON CONFLICT (user_id) WHERE ended_at IS NULL DO NOTHING
  RETURNING ${COLUMNS}`;

const FAILED = `
  WITH failed AS (
    UPDATE auto_top_up_attempts SET state = 'failed', reason = $2, ended_at = now()
     WHERE id = $1 AND state = 'open'
    RETURNING user_id, payment_method, $2 = 'resource_missing' AS is_last)
  UPDATE auto_top_ups s
     SET failures = failures + 1,
         retry_at = now() + ($3::int[])[least(failures + 1, $4)] * interval '1 second',
         enabled = enabled AND NOT (is_last OR failures + 1 >= $4),
         stopped_reason = CASE WHEN enabled AND (is_last OR failures + 1 >= $4)
                               THEN $2 ELSE stopped_reason END
    FROM failed
   WHERE s.user_id = failed.user_id AND $2 <> 'switched_off'
     AND (s.payment_method = failed.payment_method OR ${HAS_FAILED_OFTEN})`;
