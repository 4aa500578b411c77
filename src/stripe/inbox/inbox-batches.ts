import type { BatchSession, BatchStatement } from '../../db/batch-session.ts';
import { columnsOf } from '../../db/columns.ts';
import type { StripeEvent } from '../shapes/event.ts';
import { idOf } from '../shapes/json.ts';
import type { State } from './verdicts.ts';

/** An event to be stored. */
export interface Arrival {
  readonly event: StripeEvent;
  readonly payload: string;
  /** Counts as the first attempt and holds the lease; without one it is left to the worker. */
  readonly claimed: boolean;
  /** In seconds. */
  readonly lease: number;
}

/** What became of an event that was to be stored. */
export interface Arrived {
  readonly state: State;
  /** False when the event was there before. */
  readonly isNew: boolean;
}

const STORE: BatchStatement = {
  name: 'store_events',
  durable: true,
  text: `WITH stored AS (
       INSERT INTO stripe_events (id, type, api_version, livemode, account, created, object_id,
                                  payload, attempts, next_attempt_at)
       SELECT DISTINCT ON (id COLLATE "C")
              id, type, api_version, livemode, account, to_timestamp(created), object_id,
              payload, claimed::int, now() + lease * interval '1 second'
         FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::bigint[],
                     $7::text[], $8::text[], $9::boolean[], $10::float8[]) WITH ORDINALITY
           AS e (id, type, api_version, livemode, account, created,
                 object_id, payload, claimed, lease, n)
        ORDER BY id COLLATE "C", n
           ON CONFLICT (id) DO NOTHING
    RETURNING id, state
     )
     SELECT id, state, true AS is_new FROM stored
      UNION ALL
     SELECT id, state, false FROM stripe_events WHERE id = ANY($1::text[])`,
};

/**
 * Stores events that are new. Sorted, so that two processes which store the same events cannot
 * deadlock. The statement reads as of its beginning: an event that another one stored meanwhile is
 * in neither half of the answer, but it is in the table, and so is a second one of the same batch.
 */
export async function storeAll(
  session: BatchSession,
  arrivals: readonly Arrival[],
): Promise<readonly Arrived[]> {
  const columns = columnsOf(
    arrivals,
    ({ event }) => event.id,
    ({ event }) => event.type,
    ({ event }) => event.apiVersion,
    ({ event }) => event.livemode,
    ({ event }) => event.account,
    ({ event }) => event.created,
    ({ event }) => idOf(event.object),
    ({ payload }) => payload,
    ({ claimed }) => claimed,
    ({ claimed, lease }) => (claimed ? lease : 0),
  );
  const rows = await session.run<{ id: string; state: State; is_new: boolean }>(STORE, columns);
  const found = new Map(rows.map((row) => [row.id, row]));
  return arrivals.map(({ event: { id } }) => {
    const row = found.get(id);
    // The first of a batch is the new one.
    if (row?.is_new) found.delete(id);
    return { state: row?.state ?? 'received', isNew: row?.is_new ?? false };
  });
}

/** The end of an event, as one attempt found it. */
export interface Ending {
  readonly id: string;
  readonly attempt: number;
  readonly state: 'done' | 'ignored';
  readonly reason: string | null;
}

const END: BatchStatement = {
  name: 'end_events',
  durable: false,
  text: `WITH held AS (
       SELECT id
         FROM stripe_events
        WHERE id = ANY($1::text[])
        ORDER BY id
          FOR NO KEY UPDATE SKIP LOCKED
     )
     UPDATE stripe_events AS s
        SET state = e.state, reason = e.reason, waits_for = NULL, next_attempt_at = NULL,
            settled_at = now()
       FROM unnest($1::text[], $2::int[], $3::text[], $4::text[]) AS e (id, attempt, state, reason)
       JOIN held ON held.id = e.id
      WHERE s.id = e.id AND s.attempts = e.attempt AND s.next_attempt_at IS NOT NULL
  RETURNING s.id, s.attempts AS attempt`,
};

/**
 * Ends events, each only while this attempt is the newest and it has not ended. Rows that another
 * transaction holds are skipped, so that one of them cannot hold up the others.
 * @returns whether each has been ended
 */
export async function endAll(
  session: BatchSession,
  endings: readonly Ending[],
): Promise<readonly boolean[]> {
  const columns = columnsOf(
    endings,
    ({ id }) => id,
    ({ attempt }) => attempt,
    ({ state }) => state,
    ({ reason }) => reason,
  );
  const rows = await session.run<{ id: string; attempt: number }>(END, columns);
  const ended = new Map(rows.map(({ id, attempt }) => [id, attempt]));
  return endings.map(({ id, attempt }) => ended.get(id) === attempt);
}
