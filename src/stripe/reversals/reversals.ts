import type { Pool } from 'pg';
import type { BatchSession, BatchStatement } from '../../db/batch-session.ts';
import { coalesce } from '../../db/coalesce.ts';
import type { Reversal } from '../shapes/reversal-shapes.ts';

/** A reversal on file, as far as it matters to the payment it belongs to. */
export type FiledReversal = Pick<Reversal, 'id' | 'kind'> & { readonly name: string };

/** The most payments that one statement asks for. */
const BATCH = 128;

/** The SQL of stripe_reversals: refunds, disputes and credit notes as they were last told. */
export type Reversals = ReturnType<typeof createReversals>;

export function createReversals(pool: Pool, session: BatchSession) {
  /** What is on file about a payment, under any of its names. */
  const of = coalesce((payments: readonly string[]) => findAll(session, payments), {
    limit: BATCH,
  });

  /**
   * Files what an event told, whatever the order in which events arrive: an ended refund stays
   * ended; of a dispute the event that Stripe created last decides.
   * @param decidedAt `created` of the event, in seconds since 1970
   * @returns `tie` when two events of the same second decide differently about a dispute
   */
  async function file(
    { id, kind, names: [name], amount, currency, status, live }: Reversal,
    decidedAt: number,
  ): Promise<{ readonly tie: boolean }> {
    const { rowCount } = await pool.query(
      `INSERT INTO stripe_reversals AS r
              (id, kind, payment_name, amount, currency, status, live, decided_at)
       VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, false),
               CASE WHEN $7::boolean IS NULL THEN to_timestamp(0) ELSE to_timestamp($8) END)
           ON CONFLICT (id) DO UPDATE
          SET amount = excluded.amount, currency = excluded.currency, status = excluded.status,
              live = excluded.live, decided_at = greatest(r.decided_at, excluded.decided_at)
        WHERE CASE r.kind
                WHEN 'dispute' THEN excluded.decided_at > r.decided_at
                ELSE r.live AND (NOT excluded.live OR excluded.decided_at >= r.decided_at)
              END`,
      [id, kind, name, amount, currency, status, live, decidedAt],
    );
    if (rowCount === 1 || kind !== 'dispute' || live === null) return { tie: false };
    const { rows } = await pool.query(
      'SELECT FROM stripe_reversals WHERE id = $1 AND decided_at = to_timestamp($2) AND live <> $3',
      [id, decidedAt, live],
    );
    return { tie: rows.length > 0 };
  }

  /**
   * What the API says of a dispute on which events of the same second do not agree; unless a later
   * event has decided meanwhile, of which the answer may not have known.
   */
  async function decide(id: string, live: boolean, decidedAt: number): Promise<void> {
    await pool.query(
      'UPDATE stripe_reversals SET live = $2 WHERE id = $1 AND decided_at = to_timestamp($3)',
      [id, live, decidedAt],
    );
  }

  return { file, decide, of };
}

const FIND: BatchStatement = {
  name: 'find_reversals',
  durable: false,
  text: `SELECT a.payment, r.id, r.kind, r.payment_name AS name
       FROM stripe_payment_aliases a
       JOIN stripe_reversals r ON r.payment_name = a.alias
      WHERE a.payment = ANY($1::text[])
      ORDER BY r.recorded_at, r.id`,
};

async function findAll(
  session: BatchSession,
  payments: readonly string[],
): Promise<readonly (readonly FiledReversal[])[]> {
  const rows = await session.run<FiledReversal & { payment: string }>(FIND, [payments]);
  const filed = Map.groupBy(rows, ({ payment }) => payment);
  return payments.map((payment) =>
    (filed.get(payment) ?? []).map(({ id, kind, name }) => ({ id, kind, name })),
  );
}
