import type { Pool } from 'pg';
import { inTransaction } from '../db/transaction.ts';
import type { AlertType } from '../ledger/core/alert.ts';

/** An alert that is being delivered to an endpoint. */
export interface Delivery {
  readonly endpointId: string;
  readonly position: number;
  readonly userId: string;
  /** Which attempt of all it is; only the newest may write what became of it. */
  readonly attempts: number;
  /** Attempts since it was last made pending, this one included. */
  readonly retries: number;
  readonly alertId: string;
  readonly type: AlertType;
  readonly data: unknown;
  /** In milliseconds since 1970. */
  readonly createdAt: number;
  readonly url: string;
  /** The current one, and those before it that sign, too. */
  readonly secrets: readonly string[];
}

/** What became of an attempt. */
export interface Outcome {
  readonly state: 'delivered' | 'pending' | 'failed';
  readonly status: number | null;
  readonly problem: string | null;
  /** For pending: when it is tried again, in milliseconds from now. */
  readonly pause: number | null;
  /** The endpoint says that it is no more. */
  readonly gone: boolean;
}

/** How many deliveries of one endpoint a process has under way at once. */
const HANDS = 8;
/** How long an attempt may take before another process takes it for lost. */
const LEASE = "interval '30 seconds'";
/** How many due deliveries of one endpoint are looked at in one go. */
const LOOK_AT = 100;
/** An endpoint is disabled after so many failures without a success between, over so many days. */
const DISABLE_AFTER = { failures: 10, days: 3 } as const;

// Per endpoint, so that a dead one takes neither the hands nor the attention from the others.
const LOCK_DUE = `
  SELECT e.id AS endpoint_id, due.position, ${HANDS} - coalesce(busy.hands, 0) AS room
    FROM webhook_endpoints e
    LEFT JOIN unnest($1::text[], $2::int[]) AS busy (endpoint_id, hands) ON busy.endpoint_id = e.id
   CROSS JOIN LATERAL (
         SELECT position
           FROM alert_deliveries
          WHERE endpoint_id = e.id AND state = 'pending' AND next_attempt_at <= now()
          ORDER BY next_attempt_at, position
          LIMIT ${LOOK_AT}
            FOR UPDATE SKIP LOCKED) due
   WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL AND coalesce(busy.hands, 0) < ${HANDS}`;

// Only the first pending delivery of an account is taken. The others are put off until it is tried
// again, and woken when it ends; so a long backlog is not looked at again and again. For an hour at
// most, because whoever was to wake them may have been killed. Whether there is one before is read
// after the lock, in a statement of its own.
const CLAIM = `
  WITH judged AS (
    SELECT d.endpoint_id, d.position, room, head.next_attempt_at AS head_at,
           row_number() OVER (PARTITION BY d.endpoint_id, head.position IS NULL
                                  ORDER BY d.next_attempt_at, d.position) AS place,
           head.position IS NULL AS is_head
      FROM unnest($1::text[], $2::bigint[], $3::int[]) AS locked (endpoint_id, position, room)
      JOIN alert_deliveries d USING (endpoint_id, position)
      LEFT JOIN LATERAL (SELECT position, next_attempt_at
                           FROM alert_deliveries before
                          WHERE before.endpoint_id = d.endpoint_id AND before.user_id = d.user_id
                            AND before.state = 'pending' AND before.position < d.position
                          ORDER BY position
                          LIMIT 1) head ON true),
  taken AS (
    UPDATE alert_deliveries d
       SET next_attempt_at = least(greatest(head_at, now() + ${LEASE}), now() + interval '1 hour'),
           attempts = attempts + is_head::int,
           retries = retries + is_head::int,
           attempted_at = CASE WHEN is_head THEN now() ELSE attempted_at END
      FROM judged
     WHERE d.endpoint_id = judged.endpoint_id AND d.position = judged.position
       AND (place <= room OR NOT is_head)
    RETURNING d.endpoint_id, d.position, d.user_id, d.attempts, d.retries, is_head)
  SELECT t.endpoint_id AS "endpointId", t.position, t.user_id AS "userId", t.attempts,
         t.retries, a.id AS "alertId", a.type, a.data,
         floor(extract(epoch FROM a.created_at) * 1000)::bigint AS "createdAt",
         e.url, e.secret || ARRAY(SELECT secret FROM earlier_secrets(e)) AS secrets
    FROM taken t
    JOIN alerts a USING (position)
    JOIN webhook_endpoints e ON e.id = t.endpoint_id
   WHERE is_head`;

/**
 * Takes deliveries that are due, of each account and endpoint the first one, and leases them.
 * @param busy how many each endpoint has under way here
 * @returns also whether there was more to look at
 */
export async function claim(
  pool: Pool,
  busy: ReadonlyMap<string, number>,
): Promise<{ readonly deliveries: readonly Delivery[]; readonly more: boolean }> {
  return inTransaction(pool, async (client) => {
    const due = await client.query<{ endpoint_id: string; position: number; room: number }>(
      LOCK_DUE,
      [[...busy.keys()], [...busy.values()]],
    );
    const { rows } = due.rows.length
      ? await client.query<Delivery>(CLAIM, [
          due.rows.map((row) => row.endpoint_id),
          due.rows.map(({ position }) => position),
          due.rows.map(({ room }) => room),
        ])
      : { rows: [] };
    return { deliveries: rows, more: rows.length > 0 || due.rows.length >= LOOK_AT };
  });
}

// What ended the pauses has made it due already: a failure from before that is told nobody. The
// endpoint is judged once it is locked, or it would be disabled for what somebody has just forgiven.
const SETTLE = `
  WITH ended AS (
    UPDATE alert_deliveries
       SET state = $4, status = $5, problem = $6,
           next_attempt_at = clock_timestamp() + $7 * interval '1 millisecond'
     WHERE endpoint_id = $1 AND position = $2 AND attempts = $3 AND state = 'pending'
       AND ($4 = 'delivered' OR retries = $10)
    RETURNING endpoint_id, state = 'delivered' AS ok),
  verdict AS (
    SELECT id, ok,
           CASE WHEN ok OR disabled_at IS NOT NULL THEN NULL
                WHEN $8 THEN 'it answered 410 Gone'
                WHEN failures + 1 >= ${DISABLE_AFTER.failures}
                 AND failing_since <= now() - interval '${DISABLE_AFTER.days} days'
                THEN 'nothing was delivered for ${DISABLE_AFTER.days} days'
           END AS reason
      FROM ended
      JOIN webhook_endpoints ON id = ended.endpoint_id
     WHERE url = $9 AND (NOT ok OR failures > 0)
       FOR NO KEY UPDATE OF webhook_endpoints)
  UPDATE webhook_endpoints e
     SET failures = CASE WHEN ok THEN 0 ELSE failures + 1 END,
         failing_since = CASE WHEN ok THEN NULL ELSE coalesce(failing_since, now()) END,
         disabled_at = CASE WHEN reason IS NULL THEN disabled_at ELSE now() END,
         disabled_reason = coalesce(reason, disabled_reason)
    FROM verdict
   WHERE e.id = verdict.id
  RETURNING reason`;

// A statement of its own, once the end is committed: whoever put the next one off did not see that,
// and what this one does not see was filed so late that it need not be woken. What is being sent is
// known by its lease and left alone.
const WAKE_NEXT = `
  UPDATE alert_deliveries
     SET next_attempt_at = clock_timestamp()
   WHERE endpoint_id = $1
     AND position = (SELECT min(position)
                       FROM alert_deliveries
                      WHERE endpoint_id = $1 AND user_id = $2 AND state = 'pending'
                        AND position > $3)
     AND next_attempt_at IS DISTINCT FROM attempted_at + ${LEASE}`;

/**
 * Writes what became of an attempt, unless a later one was begun, or it failed and its pauses were
 * ended meanwhile; of an endpoint that has moved it says nothing. What ends makes the account's next
 * one due.
 * @returns why its endpoint was disabled by that; null when it was not
 */
export async function settle(
  pool: Pool,
  { endpointId, position, userId, attempts, retries, url }: Delivery,
  { state, status, problem, pause, gone }: Outcome,
): Promise<string | null> {
  const { rows } = await pool.query<{ reason: string | null }>(SETTLE, [
    ...[endpointId, position, attempts],
    ...[state, status, problem, pause, gone, url, retries],
  ]);
  if (state !== 'pending') await pool.query(WAKE_NEXT, [endpointId, userId, position]);
  return rows[0]?.reason ?? null;
}

/** Gives an attempt back that was cut short by a shutdown: it counts for nothing. */
export async function giveBack(pool: Pool, delivery: Delivery): Promise<void> {
  const { endpointId, position, attempts, retries } = delivery;
  await pool.query(
    `UPDATE alert_deliveries
        SET next_attempt_at = clock_timestamp(), retries = retries - 1
      WHERE endpoint_id = $1 AND position = $2 AND attempts = $3 AND state = 'pending'
        AND retries = $4`,
    [endpointId, position, attempts, retries],
  );
}
