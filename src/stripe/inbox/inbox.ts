import type { Pool } from 'pg';
import type { BatchSession } from '../../db/batch-session.ts';
import { coalesce } from '../../db/coalesce.ts';
import type { StripeEvent } from '../shapes/event.ts';
import { type Arrival, type Ending, endAll, storeAll } from './inbox-batches.ts';
import type { Patience, State, Verdict } from './verdicts.ts';

/** An event that one attempt holds. Nobody else takes it until the lease is over. */
export interface Claim {
  readonly id: string;
  readonly payload: string;
  /** Which attempt this is, from 1; a later attempt makes this one's verdict void. */
  readonly attempt: number;
  /** What the payload says, when the claimant has read it already. */
  readonly event?: StripeEvent;
}

/** How long an attempt may take before somebody else may take the event over, in seconds. */
const LEASE = 60;

/** The most characters of the payloads of one statement. */
const BATCH_CHARACTERS = 4 * 1024 * 1024;

/**
 * In SQL: whether an attempt holds a parked event. A server of an earlier release parks what it took
 * over without saying that it holds it no more; but no lease ends later, of those that began while
 * this statement waited, too.
 */
const HELD = `(claimed AND next_attempt_at <= now() + ${LEASE + 5} * interval '1 second')`;

function backOff({ first, longest }: Patience, attempt: number): number {
  return Math.min(first * 2 ** (attempt - 1), longest);
}

/** The SQL of stripe_events, the durable inbox. */
export type Inbox = ReturnType<typeof createInbox>;

export function createInbox(pool: Pool, session: BatchSession) {
  const storeOne = coalesce((arrivals: readonly Arrival[]) => storeAll(session, arrivals), {
    weight: { of: ({ payload }) => payload.length, most: BATCH_CHARACTERS },
  });
  const endOne = coalesce((endings: readonly Ending[]) => endAll(session, endings));

  /**
   * Stores an event, with a lease for the caller: `claim` is null when the event was already
   * there, and its state is told. `later` stores it without a lease, for the worker.
   */
  async function store(
    event: StripeEvent,
    payload: string,
    { later }: { readonly later: boolean },
  ): Promise<{ readonly state: State; readonly claim: Claim | null }> {
    const { state, isNew } = await storeOne({ event, payload, claimed: !later, lease: LEASE });
    return { state, claim: isNew && !later ? { id: event.id, payload, attempt: 1, event } : null };
  }

  async function stateOf(id: string): Promise<State> {
    const { rows } = await pool.query<{ state: State }>(
      'SELECT state FROM stripe_events WHERE id = $1',
      [id],
    );
    return rows[0]?.state ?? 'received';
  }

  /**
   * Claims up to `limit` events that are due, the longest due first; processes share the work.
   * What wakes one that is claimed would only cut its lease short: it is noted for its end.
   */
  async function claim(limit: number): Promise<readonly Claim[]> {
    const { rows } = await pool.query<Claim>(
      `UPDATE stripe_events
          SET attempts = attempts + 1, claimed = true,
              next_attempt_at = now() + $2 * interval '1 second'
        WHERE id = ANY (ARRAY (SELECT id
                                 FROM stripe_events
                                WHERE next_attempt_at <= now()
                                ORDER BY next_attempt_at
                                LIMIT $1
                                  FOR UPDATE SKIP LOCKED))
    RETURNING id, payload, attempts AS attempt`,
      [limit, LEASE],
    );
    return rows;
  }

  /**
   * Writes an attempt's verdict, unless a later attempt has taken over or the event is settled. What
   * it has done is said although an operator has ignored the event meanwhile.
   * @returns the state in which the event is left
   */
  async function settle(claim: Claim, verdict: Verdict): Promise<State> {
    const { id, attempt } = claim;
    if (verdict.state !== 'parked') {
      const { state, reason = null } = verdict;
      if (await endOne({ id, attempt, state, reason })) return state;
    }
    // One that others hold is waited for here, alone.
    return settleAlone(claim, verdict);
  }

  async function settleAlone({ id, attempt }: Claim, verdict: Verdict): Promise<State> {
    const { waitsFor = [], patience = null } = verdict.state === 'parked' ? verdict : {};
    // Nobody watched over a cause that this attempt found, nor over one that went away meanwhile: so
    // the event is looked at again soon.
    const { rowCount } = await pool.query(
      `UPDATE stripe_events
          SET state = $3, reason = $4, waits_for = $5, claimed = false,
              next_attempt_at = now() + interval '1 second'
                * CASE WHEN coalesce(waits_for @> $5::text[], $5 IS NULL) THEN $6::int ELSE $7 END,
              settled_at = CASE WHEN $3 = 'parked' THEN NULL ELSE now() END
        WHERE id = $1 AND attempts = $2
          AND (next_attempt_at IS NOT NULL OR (state = 'ignored' AND $3 = 'done'))`,
      [
        ...[id, attempt, verdict.state, verdict.reason ?? null],
        waitsFor.length > 0 ? waitsFor : null,
        ...[patience && backOff(patience, attempt), patience?.first ?? null],
      ],
    );
    return rowCount === 1 ? verdict.state : stateOf(id);
  }

  /** The type of an event about this object that has been settled; null when there is none yet. */
  async function settledType(objectId: string, types: readonly string[]): Promise<string | null> {
    const { rows } = await pool.query<{ type: string }>(
      `SELECT type
         FROM stripe_events
        WHERE object_id = $1 AND type = ANY($2::text[]) AND settled_at IS NOT NULL
        ORDER BY created DESC
        LIMIT 1`,
      [objectId, types],
    );
    return rows[0]?.type ?? null;
  }

  const wake = (causes: readonly string[], within?: number) => wakeWaiting(pool, causes, within);

  return { store, claim, settle, wake, settledType };
}

/**
 * Makes the events that wait for one of these causes due, `within` so many seconds at most. One that
 * an attempt holds keeps its lease, and that it was woken is noted; but not what is only worth another
 * try within some seconds.
 */
export async function wakeWaiting(
  pool: Pool,
  causes: readonly string[],
  within = 0,
): Promise<void> {
  if (causes.length === 0) return;
  await pool.query(
    `UPDATE stripe_events
        SET waits_for = CASE WHEN ${HELD} THEN NULL ELSE waits_for END,
            next_attempt_at = CASE WHEN ${HELD} THEN next_attempt_at
                                   ELSE now() + $2 * interval '1 second' END
      WHERE waits_for && $1::text[] AND next_attempt_at > now() + $2 * interval '1 second'
        AND NOT (${HELD} AND $2 > 0)`,
    [causes, within],
  );
}
