import type { Pool } from 'pg';
import { IS_GRANTED } from './conditions.ts';

/** What an attempt may be, as operators see it; `charged` ones wait for their credits. */
export const ATTEMPT_STATES = ['open', 'charged', 'granted', 'not_granted', 'failed'] as const;

/** Which attempts are listed, and how many at most. */
export interface AttemptFilter {
  readonly state: (typeof ATTEMPT_STATES)[number] | undefined;
  readonly userId: string | undefined;
  readonly limit: number;
}

/** An attempt at a top-up, as operators see it. Times are in milliseconds since 1970. */
export interface ListedAttempt {
  readonly userId: string;
  readonly state: (typeof ATTEMPT_STATES)[number];
  /** In the currency's smallest unit. */
  readonly amount: number;
  readonly currency: string;
  readonly invoice: string | null;
  readonly startedAt: number;
  readonly chargedAt: number | null;
  readonly reason: string | null;
}

/** Attempts at auto top-ups, the latest first. */
export async function listAttempts(
  pool: Pool,
  { state, userId, limit }: AttemptFilter,
): Promise<readonly ListedAttempt[]> {
  const { rows } = await pool.query<ListedAttempt>(
    `SELECT *
       FROM (SELECT user_id AS "userId", amount, currency, invoice, reason,
                    CASE WHEN ended_at IS NULL AND ${IS_GRANTED} THEN 'granted'
                         ELSE state END AS state,
                    floor(extract(epoch FROM started_at) * 1000)::bigint AS "startedAt",
                    floor(extract(epoch FROM charged_at) * 1000)::bigint AS "chargedAt"
               FROM auto_top_up_attempts a) AS listed
      WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR "userId" = $2)
      ORDER BY "startedAt" DESC
      LIMIT $3`,
    [state ?? null, userId ?? null, limit],
  );
  return rows;
}
