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
  /** `next` of the page before. */
  readonly before?: number | null;
}

const milliseconds = (column: string, name: string) =>
  `floor(extract(epoch FROM ${column}) * 1000)::bigint AS "${name}"`;

/**
 * The deliveries of an endpoint, the latest alert first. What waited for one that was deleted is
 * left out, because it is delivered no more.
 * @returns also where to go on, null at the end; null in all when there never was such an endpoint
 */
export async function listDeliveries(
  pool: Pool,
  { endpointId, state, userId, limit, before = null }: DeliveryFilter,
): Promise<{
  readonly deliveries: readonly ListedDelivery[];
  readonly next: number | null;
} | null> {
  const endpoint = await pool.query('SELECT FROM webhook_endpoints WHERE id = $1', [endpointId]);
  if (endpoint.rowCount === 0) return null;
  const { rows } = await pool.query<ListedDelivery & { readonly position: number }>(
    `SELECT d.position, a.id AS alert, a.type, d.user_id AS "userId", d.state, d.attempts,
            d.status, d.problem,
            ${milliseconds('a.created_at', 'createdAt')},
            ${milliseconds('d.attempted_at', 'attemptedAt')},
            ${milliseconds('d.next_attempt_at', 'nextAttemptAt')}
       FROM alert_deliveries d
       JOIN alerts a USING (position)
       JOIN webhook_endpoints e ON e.id = d.endpoint_id
      WHERE d.endpoint_id = $1
        AND ($2::text IS NULL OR d.state = $2)
        AND ($3::text IS NULL OR d.user_id = $3)
        AND ($4::bigint IS NULL OR d.position < $4)
        AND (e.deleted_at IS NULL OR d.state <> 'pending')
      ORDER BY d.position DESC
      LIMIT $5`,
    [endpointId, state, userId, before, limit],
  );
  return {
    deliveries: rows.map(({ position: _, ...delivery }) => delivery),
    next: rows.length < limit ? null : (rows.at(-1)?.position ?? null),
  };
}
