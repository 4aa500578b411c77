import type { Pool } from 'pg';

/** How many accounts one statement looks at. */
const BATCH = 1_000;
/**
 * Servers that know the shorter window may go on for a while beside the one that was told the longer
 * one, and put accounts off by theirs. So everything is done again after so long.
 */
const ROUNDS = { count: 2, apart: "interval '1 hour'" } as const;

const NOW = (offset: string) => `clock_timestamp() + ${offset} * interval '1 millisecond'`;

const SHORTEN = 'UPDATE sweep_schedule SET expiring_within = $1 WHERE expiring_within > $1';

const LENGTHEN = `
  INSERT INTO sweep_schedule AS s
         (expiring_within, earlier_by, rounds_left, next_round_at)
  SELECT $1::bigint, $1::bigint, CASE WHEN $1 > 0 THEN ${ROUNDS.count} ELSE 0 END,
         CASE WHEN $1 > 0 THEN ${NOW('$2')} END
      ON CONFLICT (singleton) DO UPDATE
     SET expiring_within = EXCLUDED.expiring_within,
         earlier_by = EXCLUDED.expiring_within - s.expiring_within
                    + CASE WHEN s.rounds_left > 0 THEN s.earlier_by ELSE 0 END,
         moved_up_to = '',
         rounds_left = EXCLUDED.rounds_left,
         next_round_at = EXCLUDED.next_round_at
   WHERE EXCLUDED.expiring_within > s.expiring_within`;

// In the order of the ids, as the lanes lock. One server at a time: the others find no round.
const MOVE_EARLIER = `
  WITH round AS (
    SELECT earlier_by, moved_up_to
      FROM sweep_schedule
     WHERE next_round_at <= ${NOW('$1')}
       FOR UPDATE SKIP LOCKED),
  page AS (
    SELECT user_id
      FROM stripe_customers
     WHERE user_id > (SELECT moved_up_to FROM round)
     ORDER BY user_id
     LIMIT ${BATCH}),
  locked AS (
    SELECT user_id
      FROM stripe_customers c
      JOIN page USING (user_id)
     WHERE next_due_at IS NOT NULL
     ORDER BY user_id
       FOR UPDATE OF c),
  moved AS (
    UPDATE stripe_customers c
       SET next_due_at = next_due_at - earlier_by * interval '1 millisecond'
      FROM locked, round
     WHERE c.user_id = locked.user_id)
  UPDATE sweep_schedule
     SET moved_up_to = CASE WHEN is_full THEN last ELSE '' END,
         rounds_left = CASE WHEN is_full THEN rounds_left ELSE rounds_left - 1 END,
         next_round_at = CASE WHEN is_full THEN next_round_at
                              WHEN rounds_left > 1 THEN ${NOW('$1')} + ${ROUNDS.apart} END
    FROM round, (SELECT count(*) = ${BATCH} AS is_full, max(user_id) AS last FROM page) AS page
  RETURNING is_full`;

/**
 * Notes how long before their expiry lots are announced. When it is longer than what was noted, or
 * nothing was, accounts are scheduled too late for it, and `moveEarlier` has something to do.
 * @param expiringWithin see `AlertRules`
 * @param clockOffset see `LedgerOptions`
 */
export async function noteWindow(
  pool: Pool,
  expiringWithin: number,
  clockOffset: number,
): Promise<void> {
  await pool.query(SHORTEN, [expiringWithin]);
  await pool.query(LENGTHEN, [expiringWithin, clockOffset]);
}

/**
 * Moves the next accounts to where the sweep must look at them by a window that has grown. When an
 * account is due is a lower bound, so being moved twice costs a look and no more.
 * @returns whether there are more to move now
 */
export async function moveEarlier(pool: Pool, clockOffset: number): Promise<boolean> {
  const { rows } = await pool.query<{ is_full: boolean }>(MOVE_EARLIER, [clockOffset]);
  return rows[0]?.is_full ?? false;
}
