import type { Pool } from 'pg';

export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const;
type DeliveryState = (typeof DELIVERY_STATES)[number];

/** What became of an alert at an endpoint; times in milliseconds since 1970, null for never. */
export interface ListedDelivery {
  /** The alert's id, which is its `webhook-id`. */
  readonly alert: string;
  readonly type: string;
  readonly userId: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  /** What the last attempt was answered, and why that was no success. */
  readonly status: number | null;
  readonly problem: string | null;
  readonly createdAt: number;
  readonly attemptedAt: number | null;
  readonly nextAttemptAt: number | null;
}

export interface DeliveryFilter {
  readonly endpointId: string;
  readonly state?: DeliveryState | undefined;
  readonly userId?: string | undefined;
  readonly limit: number;
}

/** Which alerts to deliver again: those that failed, those since a moment, or these. */
export type Replay =
  | { readonly failed: true }
  | { readonly since: number }
  | { readonly alerts: readonly string[] };

/** The most alerts that one replay makes due. */
export const MOST_REPLAYED = 10_000;

const milliseconds = (column: string, name: string) =>
  `floor(extract(epoch FROM ${column}) * 1000)::bigint AS "${name}"`;

/** The deliveries of an endpoint, the latest alert first. */
export async function listDeliveries(
  pool: Pool,
  { endpointId, state = undefined, userId = undefined, limit }: DeliveryFilter,
): Promise<readonly ListedDelivery[]> {
  const { rows } = await pool.query<ListedDelivery>(
    `SELECT a.id AS alert, a.type, d.user_id AS "userId", d.state, d.attempts, d.status, d.problem,
            ${milliseconds('a.created_at', 'createdAt')},
            ${milliseconds('d.attempted_at', 'attemptedAt')},
            ${milliseconds('d.next_attempt_at', 'nextAttemptAt')}
       FROM alert_deliveries d
       JOIN alerts a USING (position)
      WHERE d.endpoint_id = $1
        AND ($2::text IS NULL OR d.state = $2)
        AND ($3::text IS NULL OR d.user_id = $3)
      ORDER BY d.position DESC
      LIMIT $4`,
    [endpointId, state, userId, limit],
  );
  return rows;
}

/**
 * Makes alerts due at an endpoint again, also those that it never got: at most `MOST_REPLAYED`, the
 * oldest first. What is pending already stays as it is.
 * @returns how many became due; null when there is no such endpoint
 */
export async function replay(
  pool: Pool,
  endpointId: string,
  which: Replay,
): Promise<number | null> {
  const endpoint = await pool.query(
    'SELECT FROM webhook_endpoints WHERE id = $1 AND deleted_at IS NULL',
    [endpointId],
  );
  if (endpoint.rowCount === 0) return null;
  const { rowCount } =
    'failed' in which
      ? await pool.query(
          `UPDATE alert_deliveries d
              SET ${DUE_AGAIN}
             FROM (SELECT position FROM alert_deliveries
                    WHERE endpoint_id = $1 AND state = 'failed' ORDER BY position LIMIT $2) failed
            WHERE d.endpoint_id = $1 AND d.position = failed.position`,
          [endpointId, MOST_REPLAYED],
        )
      : await pool.query(
          `INSERT INTO alert_deliveries AS d (endpoint_id, position, user_id)
           SELECT e.id, a.position, a.user_id
             FROM webhook_endpoints e
             JOIN alerts a
               ON CASE WHEN $2::uuid[] IS NOT NULL THEN a.id = ANY ($2)
                       ELSE a.created_at >= to_timestamp($3::float8 / 1000)
                            AND (e.types IS NULL OR a.type = ANY (e.types)) END
             LEFT JOIN alert_deliveries filed
               ON filed.endpoint_id = e.id AND filed.position = a.position
            WHERE e.id = $1 AND filed.state IS DISTINCT FROM 'pending'
            ORDER BY a.position
            LIMIT $4
               ON CONFLICT (endpoint_id, position)
               DO UPDATE SET ${DUE_AGAIN} WHERE d.state <> 'pending'`,
          [
            endpointId,
            'alerts' in which ? which.alerts : null,
            'since' in which ? which.since : null,
            MOST_REPLAYED,
          ],
        );
  return rowCount ?? 0;
}

const DUE_AGAIN = `state = 'pending', next_attempt_at = clock_timestamp(), retries = 0`;
