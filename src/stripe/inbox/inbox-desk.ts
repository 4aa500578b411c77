/** What an operator asks of the inbox, and tells it: the SQL behind `purser events`. */
import type { Pool } from 'pg';
import type { State } from './verdicts.ts';

/** An event as an operator sees it; times are in milliseconds since 1970. */
export interface ListedEvent {
  readonly id: string;
  readonly type: string;
  readonly state: State;
  /** Why it is parked or ignored, or did nothing new. */
  readonly reason: string | null;
  /** What it is about, such as `in_…`. */
  readonly objectId: string | null;
  readonly attempts: number;
  readonly receivedAt: number;
  /** Null for settled events. */
  readonly nextAttemptAt: number | null;
  readonly settledAt: number | null;
}

/** All that is known of an event. */
export interface ShownEvent extends ListedEvent {
  readonly apiVersion: string | null;
  readonly livemode: boolean;
  readonly account: string | null;
  readonly createdAt: number;
  readonly waitsFor: readonly string[];
  /** Null once it was removed. */
  readonly payload: string | null;
  readonly payloadRemovedAt: number | null;
  /** What it did to a balance. */
  readonly entries: readonly {
    readonly userId: string;
    readonly kind: string;
    readonly delta: number;
  }[];
}

/** How far an event is. */
export type Progress = Pick<ListedEvent, 'id' | 'type' | 'state' | 'reason' | 'attempts'>;

export interface EventFilter {
  readonly state?: State | undefined;
  /** The type itself, or what it begins with: `charge.dispute` names all of its kind. */
  readonly type?: string | undefined;
  /** Only what was received from then on, in milliseconds since 1970. */
  readonly since?: number | undefined;
  readonly limit: number;
}

const milliseconds = (column: string) => `floor(extract(epoch FROM ${column}) * 1000)::bigint`;

const LISTED = `
  id, type, state, reason, object_id AS "objectId", attempts,
  ${milliseconds('received_at')} AS "receivedAt",
  ${milliseconds('next_attempt_at')} AS "nextAttemptAt",
  ${milliseconds('settled_at')} AS "settledAt"`;

// Open events are few and have an index of their own, which only this condition lets be used.
export const OPEN = 'next_attempt_at IS NOT NULL';

/** In SQL: what settles an event as ignored, for this reason. */
export const ignoredWith = (reason: string) =>
  `state = 'ignored', reason = ${reason}, waits_for = NULL, next_attempt_at = NULL,
            settled_at = now()`;

/** In SQL: what makes a settled event due; only one that has its payload. */
export const REOPENED = `state = 'received', reason = NULL, next_attempt_at = now(),
            settled_at = NULL`;

/** What is not settled of one state: how many events, and since when the oldest has been here. */
interface Backlog {
  readonly state: 'parked' | 'received';
  readonly waiting: number;
  /** 0 when none waits. */
  readonly oldestSeconds: number;
}

/** How much waits, of each state in which events do. */
export async function readBacklog(pool: Pool): Promise<readonly Backlog[]> {
  const { rows } = await pool.query<Backlog>(
    `SELECT state, count(id)::int AS waiting,
            greatest(0, coalesce(extract(epoch FROM now() - min(received_at)), 0))::float8
              AS "oldestSeconds"
       FROM unnest(ARRAY['parked', 'received']) AS s (state)
       LEFT JOIN (SELECT id, state, received_at FROM stripe_events WHERE ${OPEN}) AS e USING (state)
      GROUP BY state`,
  );
  return rows;
}

/** The events that match, the latest first. */
export async function listEvents(pool: Pool, filter: EventFilter): Promise<readonly ListedEvent[]> {
  const isOpen = filter.state === 'parked' || filter.state === 'received';
  const { rows } = await pool.query<ListedEvent>(
    `SELECT ${LISTED}
       FROM stripe_events
      WHERE ($1::text IS NULL OR state = $1)
        AND ($2::text IS NULL OR type = $2 OR starts_with(type, $2 || '.'))
        AND ($3::float8 IS NULL OR received_at >= to_timestamp($3 / 1000))
        ${isOpen ? `AND ${OPEN}` : ''}
      ORDER BY received_at DESC, id
      LIMIT $4`,
    [filter.state ?? null, filter.type ?? null, filter.since ?? null, filter.limit],
  );
  return rows;
}

/** The event with this id, or null. */
export async function findEvent(pool: Pool, id: string): Promise<ShownEvent | null> {
  const { rows } = await pool.query<ShownEvent>(
    `SELECT ${LISTED}, api_version AS "apiVersion", livemode, account,
            ${milliseconds('created')} AS "createdAt", coalesce(waits_for, '{}') AS "waitsFor",
            payload, ${milliseconds('payload_removed_at')} AS "payloadRemovedAt",
            coalesce((SELECT json_agg(json_build_object('userId', user_id, 'kind', kind,
                                                        'delta', delta) ORDER BY user_id, seq)
                        FROM credit_ledger
                       WHERE stripe_event_id = e.id), '[]') AS entries
       FROM stripe_events e
      WHERE id = $1`,
    [id],
  );
  return rows[0] ?? null;
}

export interface RetryRequest {
  readonly id: string;
  /** Said in a settled event until its next attempt; without it one that is done stays done. */
  readonly note: string | null;
}

/**
 * Makes an event due now. Settled ones are opened again, which the ledger's keys make harmless.
 * @returns why it cannot be; null when it was done
 */
export async function reopenEvent(pool: Pool, { id, note }: RetryRequest): Promise<string | null> {
  const { rowCount } = await pool.query(
    `UPDATE stripe_events
        SET next_attempt_at = least(next_attempt_at, now()), settled_at = NULL,
            reason = CASE WHEN settled_at IS NULL THEN reason ELSE $2::text END,
            state = CASE WHEN state IN ('parked', 'received') THEN state ELSE 'received' END
      WHERE id = $1 AND payload IS NOT NULL AND (state <> 'done' OR $2::text IS NOT NULL)`,
    [id, note],
  );
  if (rowCount === 1) return null;
  const { state, payload } = (await findEvent(pool, id)) ?? {};
  if (state === undefined) return 'there is no such event';
  if (payload === null) return 'its payload has been removed, so it cannot be attempted again';
  return 'it is done; to attempt it all the same, say why with --why';
}

/**
 * Makes parked events due now, at most `limit`, the longest parked first.
 * @param reason a part of the reason that they must be parked for; null for all
 */
export async function retryParked(
  pool: Pool,
  { reason, limit }: { readonly reason: string | null; readonly limit: number },
): Promise<readonly Progress[]> {
  const { rows } = await pool.query<Progress>(
    `UPDATE stripe_events
        SET next_attempt_at = least(next_attempt_at, now())
      WHERE id = ANY (ARRAY (SELECT id
                               FROM stripe_events
                              WHERE ${OPEN} AND state = 'parked'
                                AND ($1::text IS NULL OR strpos(reason, $1) > 0)
                              ORDER BY received_at
                              LIMIT $2
                                FOR UPDATE SKIP LOCKED))
  RETURNING id, type, state, reason, attempts`,
    [reason, limit],
  );
  return rows;
}

/** How far these events are; those that do not exist are left out. */
export async function progressOf(pool: Pool, ids: readonly string[]): Promise<readonly Progress[]> {
  const { rows } = await pool.query<Progress>(
    `SELECT id, type, state, reason, attempts
       FROM stripe_events
      WHERE id = ANY($1::text[])
      ORDER BY received_at, id`,
    [ids],
  );
  return rows;
}
