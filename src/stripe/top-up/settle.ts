import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '../../db/transaction.ts';
import { IS_GRANTED, IS_REVERSED, WHY_LEFT } from './conditions.ts';

/**
 * Does it in a transaction that holds the lock of a user's settings, after it has been written down
 * what became of their payments. Each statement of `act` sees what has ended.
 */
export function settled<T>(
  pool: Pool,
  userId: string,
  act: (client: PoolClient) => Promise<T>,
): Promise<T> {
  return locked(pool, userId, async (client) => {
    await settle(client, userId);
    return act(client);
  });
}

/**
 * Does it in a transaction that holds the lock of a user's settings. Whoever changes both them and
 * an attempt must have it first, or two who lock one each wait for each other.
 */
export async function locked<T>(
  pool: Pool,
  userId: string,
  act: (client: PoolClient) => Promise<T>,
): Promise<T> {
  return inTransaction(pool, async (client) => {
    await client.query('SELECT FROM auto_top_ups WHERE user_id = $1 FOR UPDATE', [userId]);
    return act(client);
  });
}

/**
 * An attempt is over whose credits came, or whose payment shall give none; either way its card paid,
 * which ends the failures in a row. The latter and a claw-back switch it off: to charge the card
 * again, for as little or for what was taken, would be no end of it.
 */
async function settle(client: PoolClient, userId: string): Promise<void> {
  await client.query(
    `WITH ended AS (
       UPDATE auto_top_up_attempts a
          SET state = 'granted', charged_at = coalesce(charged_at, now()), ended_at = now()
        WHERE user_id = $1 AND ended_at IS NULL AND ${IS_GRANTED}
    RETURNING user_id
     )
     UPDATE auto_top_ups s SET failures = 0, retry_at = NULL
       FROM ended
      WHERE s.user_id = ended.user_id`,
    [userId],
  );
  await client.query(
    `WITH ended AS (
       UPDATE auto_top_up_attempts a
          SET state = 'not_granted', reason = ${WHY_LEFT}, ended_at = now()
        WHERE user_id = $1 AND state = 'charged' AND ${WHY_LEFT} IS NOT NULL
    RETURNING user_id
     )
     UPDATE auto_top_ups s
        SET failures = 0, retry_at = NULL, enabled = false,
            stopped_reason = CASE WHEN enabled THEN 'not_granted' ELSE stopped_reason END
       FROM ended
      WHERE s.user_id = ended.user_id`,
    [userId],
  );
  await client.query(
    `UPDATE auto_top_ups s SET enabled = false, stopped_reason = 'payment_reversed'
      WHERE user_id = $1 AND enabled AND ${IS_REVERSED}`,
    [userId],
  );
}
