import type { Pool } from 'pg';

/** The most payloads that one statement removes. */
const BATCH = 500;

/**
 * Removes the payloads of events that were settled more than `days` days ago, in batches that hold
 * up nobody; 0 keeps them for ever. The rows stay: a duplicate is known by its id however late it
 * comes. Any number of servers may do it at once.
 * @returns how many were removed before `signal` told it to stop
 */
export async function removeOldPayloads(
  pool: Pool,
  days: number,
  signal: AbortSignal,
): Promise<number> {
  if (days === 0) return 0;
  let removed = 0;
  for (let more = true; more && !signal.aborted; ) {
    const { rowCount } = await pool.query(
      `UPDATE stripe_events
          SET payload = NULL, payload_removed_at = now()
        WHERE id = ANY (ARRAY (SELECT id
                                 FROM stripe_events
                                WHERE settled_at < now() - $1 * interval '1 day'
                                  AND payload IS NOT NULL
                                ORDER BY settled_at
                                LIMIT $2
                                  FOR UPDATE SKIP LOCKED))`,
      [days, BATCH],
    );
    removed += rowCount ?? 0;
    more = rowCount === BATCH;
  }
  return removed;
}
