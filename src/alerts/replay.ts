import type { Pool } from 'pg';
import { PurserError } from '../errors.ts';

/** Which alerts to deliver again: those that failed, those since a moment, or these. */
export type Replay =
  | { readonly failed: true }
  | { readonly since: number }
  | { readonly alerts: readonly string[] };

/** The most alerts that one replay makes due. */
export const MOST_REPLAYED = 10_000;

export interface Replayed {
  /** How many became due. */
  readonly due: number;
  /** What to go on after, because there may be more; null when there is not. */
  readonly next: number | null;
  /** Whether nothing is sent until the endpoint is enabled. */
  readonly disabled: boolean;
}

const DUE_AGAIN = `state = 'pending', next_attempt_at = clock_timestamp(), retries = 0`;

const TOLD = `
  SELECT (SELECT count(*) FROM replayed) AS due,
         (SELECT max(position) FROM chosen HAVING count(*) = ${MOST_REPLAYED}) AS next`;

const REPLAY_FAILED = `
  WITH chosen AS (
    SELECT position
      FROM alert_deliveries
     WHERE endpoint_id = $1 AND state = 'failed' AND position > $2
     ORDER BY position
     LIMIT ${MOST_REPLAYED}),
  replayed AS (
    UPDATE alert_deliveries d
       SET ${DUE_AGAIN}
      FROM chosen
     WHERE d.endpoint_id = $1 AND d.position = chosen.position
    RETURNING d.position)
  ${TOLD}`;

// Also files those that the endpoint never got.
const REPLAY_ALERTS = `
  WITH chosen AS (
    SELECT e.id, a.position, a.user_id
      FROM webhook_endpoints e
      JOIN alerts a
        ON CASE WHEN $3::uuid[] IS NOT NULL THEN a.id = ANY ($3)
                ELSE a.created_at >= to_timestamp($4::float8 / 1000)
                     AND (e.types IS NULL OR a.type = ANY (e.types)) END
      LEFT JOIN alert_deliveries filed
        ON filed.endpoint_id = e.id AND filed.position = a.position
     WHERE e.id = $1 AND a.position > $2 AND filed.state IS DISTINCT FROM 'pending'
     ORDER BY a.position
     LIMIT ${MOST_REPLAYED}),
  replayed AS (
    INSERT INTO alert_deliveries AS d (endpoint_id, position, user_id)
    SELECT id, position, user_id FROM chosen
        ON CONFLICT (endpoint_id, position)
        DO UPDATE SET ${DUE_AGAIN} WHERE d.state <> 'pending'
    RETURNING d.position)
  ${TOLD}`;

/**
 * Makes alerts due at an endpoint again, also those that it never got: at most `MOST_REPLAYED`, the
 * oldest first. What is pending already stays as it is.
 * @param after `next` of the replay before
 * @returns null when there is no such endpoint
 * @throws 404 `alert_not_found` when a named alert does not exist; then nothing becomes due
 */
export async function replay(
  pool: Pool,
  endpointId: string,
  which: Replay,
  after = 0,
): Promise<Replayed | null> {
  const { rows } = await pool.query<{ disabled: boolean }>(
    `SELECT disabled_at IS NOT NULL AS disabled
       FROM webhook_endpoints WHERE id = $1 AND deleted_at IS NULL`,
    [endpointId],
  );
  const [endpoint] = rows;
  if (!endpoint) return null;
  if ('alerts' in which) await refuseUnknown(pool, which.alerts);
  const alerts = 'alerts' in which ? which.alerts : null;
  const since = 'since' in which ? which.since : null;
  const told = await ('failed' in which
    ? pool.query<Omit<Replayed, 'disabled'>>(REPLAY_FAILED, [endpointId, after])
    : pool.query<Omit<Replayed, 'disabled'>>(REPLAY_ALERTS, [endpointId, after, alerts, since]));
  return { due: 0, next: null, ...told.rows[0], ...endpoint };
}

async function refuseUnknown(pool: Pool, alerts: readonly string[]): Promise<void> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT named.id
       FROM unnest($1::uuid[]) WITH ORDINALITY AS named (id, place)
       LEFT JOIN alerts USING (id)
      WHERE position IS NULL
      ORDER BY place
      LIMIT 1`,
    [alerts],
  );
  const [unknown] = rows;
  if (!unknown) return;
  const message = `There is no alert ${unknown.id}, or none any more.`;
  throw new PurserError('alert_not_found', { message, fields: { alert: unknown.id } });
}
