import type { Pool } from 'pg';

/** How far Stripe has been compared; null before the first complete run. */
export interface Cursor {
  readonly eventsSeenUntil: Date | null;
  readonly objectsSeenUntil: Date | null;
  readonly lookedBackAt: Date | null;
}

/** What a run has seen, and may move; null leaves it where it is. */
export type Moves = { readonly [K in keyof Cursor]: Cursor[K] };

/**
 * How long a run may be silent before another one may take its place, in seconds: longer than any
 * single step of it.
 */
const LEASE = 180;

const COLUMNS = `events_seen_until  AS "eventsSeenUntil",
                 objects_seen_until AS "objectsSeenUntil",
                 looked_back_at     AS "lookedBackAt"`;

/** The SQL of stripe_reconcile. */
export function createCursorStore(pool: Pool) {
  async function read(): Promise<Cursor> {
    const { rows } = await pool.query<Cursor>(`SELECT ${COLUMNS} FROM stripe_reconcile`);
    return rows[0] ?? { eventsSeenUntil: null, objectsSeenUntil: null, lookedBackAt: null };
  }

  /**
   * Takes the lease, unless somebody has it, or a run started less than `every` seconds ago.
   * @returns null when the run may not start
   */
  async function hold(holder: string, every: number): Promise<Cursor | null> {
    const { rows } = await pool.query<Cursor>(
      `UPDATE stripe_reconcile
          SET holder = $1, held_until = now() + $2 * interval '1 second', started_at = now()
        WHERE (held_until IS NULL OR held_until <= now())
          AND (started_at IS NULL OR started_at <= now() - $3 * interval '1 second')
    RETURNING ${COLUMNS}`,
      [holder, LEASE, every],
    );
    return rows[0] ?? null;
  }

  /** Renews the lease; false when it ran out and another run has it. */
  async function renew(holder: string): Promise<boolean> {
    const { rowCount } = await pool.query(
      `UPDATE stripe_reconcile
          SET held_until = now() + $2 * interval '1 second'
        WHERE holder = $1`,
      [holder, LEASE],
    );
    return rowCount === 1;
  }

  /** Gives the lease back; the cursor moves with it, and only ever ahead. */
  async function release(holder: string, moves: Moves): Promise<void> {
    await pool.query(
      `UPDATE stripe_reconcile
          SET holder = NULL, held_until = NULL,
              events_seen_until  = greatest(events_seen_until, $2),
              objects_seen_until = greatest(objects_seen_until, $3),
              looked_back_at     = greatest(looked_back_at, $4)
        WHERE holder = $1`,
      [holder, moves.eventsSeenUntil, moves.objectsSeenUntil, moves.lookedBackAt],
    );
  }

  return { read, hold, renew, release };
}
