import type { Pool } from 'pg';
import type { Finding } from './report.ts';

/** A finding as it was when somebody accepted it. */
export interface AcceptedFinding extends Finding {
  readonly acceptedAt: Date;
  /** Who accepted it, and why. */
  readonly note: string;
  /** Why it is off now, where that or its amount or credits are not what was accepted; else null. */
  readonly changed: string | null;
}

/** In SQL: whether a finding is not accepted, or not what was accepted. */
export const IS_OPEN = `(accepted_at IS NULL
           OR (amount, credits, why)
              IS DISTINCT FROM (accepted_amount, accepted_credits, accepted_why))`;

/**
 * Accepts what was left about an object, as it is now, as an operator asks.
 * @param note who said it, and why
 * @returns whether anything was left about it
 */
export async function acceptFindings(pool: Pool, object: string, note: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE stripe_findings
        SET accepted_at = now(), note = $2,
            accepted_amount = amount, accepted_credits = credits, accepted_why = why
      WHERE object = $1 AND ${IS_OPEN}`,
    [object, note],
  );
  return (rowCount ?? 0) > 0;
}

/**
 * Undoes that: what was accepted about an object is told and repaired again.
 * @returns whether anything was accepted about it
 */
export async function unacceptFindings(pool: Pool, object: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE stripe_findings
        SET accepted_at = NULL, note = NULL,
            accepted_amount = NULL, accepted_credits = NULL, accepted_why = NULL
      WHERE object = $1 AND accepted_at IS NOT NULL`,
    [object],
  );
  return (rowCount ?? 0) > 0;
}

/** All that is accepted, the latest last. */
export async function listAccepted(pool: Pool): Promise<readonly AcceptedFinding[]> {
  const { rows } = await pool.query<AcceptedFinding>(
    `SELECT kind, object, user_id AS user, accepted_amount AS amount, currency,
            accepted_credits AS credits, dated_at AS when, coalesce(accepted_why, why) AS why,
            accepted_at AS "acceptedAt", note, CASE WHEN ${IS_OPEN} THEN why END AS changed
       FROM stripe_findings
      WHERE accepted_at IS NOT NULL
      ORDER BY accepted_at, object, kind`,
  );
  return rows;
}
