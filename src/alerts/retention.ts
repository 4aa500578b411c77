import type { Pool } from 'pg';

/** How long alerts are kept, in days. Longer than any lot is announced before it expires. */
const KEPT = 90;
/** The most that one statement removes. */
const BATCH = 500;

/** Removes old alerts with their deliveries, in batches that hold up nobody. */
export async function removeOldAlerts(pool: Pool, signal: AbortSignal): Promise<void> {
  for (let more = true; more && !signal.aborted; ) {
    const { rowCount } = await pool.query(
      `DELETE FROM alerts
        WHERE position = ANY (ARRAY (SELECT position
                                       FROM alerts
                                      WHERE created_at < now() - $1 * interval '1 day'
                                      ORDER BY created_at
                                      LIMIT $2
                                        FOR UPDATE SKIP LOCKED))`,
      [KEPT, BATCH],
    );
    more = rowCount === BATCH;
  }
}
