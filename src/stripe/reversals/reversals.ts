import type { Pool } from 'pg';
import type { BatchSession, BatchStatement } from '../../db/batch-session.ts';
import { coalesce } from '../../db/coalesce.ts';
import { RELEASED, type Reversal } from '../shapes/reversal-shapes.ts';

/** A reversal on file, as far as it matters to the payment it belongs to. */
export interface FiledReversal extends Pick<Reversal, 'id' | 'kind'> {
  /** By which it names its payment. */
  readonly name: string;
  /** Whether the money has gone back, as far as is known. */
  readonly live: boolean;
}

/** The SQL of stripe_reversals: refunds, disputes and credit notes as they were last told. */
export type Reversals = ReturnType<typeof createReversals>;

export function createReversals(pool: Pool, session: BatchSession) {
  /**
   * What is on file about a payment, under any of its names, those that it shares too; what was told
   * last comes last.
   */
  const of = coalesce((payments: readonly string[]) => findAll(session, payments));

  /**
   * Files what was told, whatever the order in which it arrives: an ended refund stays ended, while
   * of a release Stripe may still say that it is a refund after all; of a dispute the event that
   * Stripe created last decides. What the API told has no place in that order, because no clock of
   * ours says where: a dispute about which it was asked is asked about again when an event disagrees.
   * @param decidedAt `created` of the event, in seconds since 1970; null when the API told it
   * @returns whether only the dispute itself can decide, as Stripe's API shows it now
   */
  async function file(
    reversal: Reversal,
    decidedAt: number | null,
  ): Promise<{ readonly undecided: boolean }> {
    const { id, kind, names, amount, currency, status, live } = reversal;
    const { rowCount } = await pool.query(
      `INSERT INTO stripe_reversals AS r
              (id, kind, payment_name, amount, currency, status, live, decided_at, asked_at,
               line_amounts, refund_amounts)
       VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, false),
               to_timestamp(CASE WHEN $7::boolean IS NULL THEN 0 ELSE coalesce($8::float8, 0) END),
               CASE WHEN $8::float8 IS NULL THEN now() END,
               $9, $10)
           ON CONFLICT (id) DO UPDATE
          SET amount = excluded.amount, currency = excluded.currency, status = excluded.status,
              live = excluded.live, decided_at = greatest(r.decided_at, excluded.decided_at),
              asked_at = coalesce(excluded.asked_at, r.asked_at),
              line_amounts = excluded.line_amounts, refund_amounts = excluded.refund_amounts
        WHERE CASE r.kind
                WHEN 'dispute' THEN excluded.decided_at > r.decided_at
                                    AND (r.asked_at IS NULL OR r.live = excluded.live)
                ELSE (r.live OR r.status = $11)
                     AND (NOT excluded.live OR $8::float8 IS NULL
                                 OR excluded.decided_at >= r.decided_at)
              END`,
      [
        ...[id, kind, names[0], amount, currency, status, live, decidedAt],
        ...[reversal.lineAmounts, reversal.refundAmounts, RELEASED],
      ],
    );
    if (rowCount === 1 || kind !== 'dispute' || live === null) return { undecided: false };
    if (decidedAt === null) return { undecided: true };
    const { rows } = await pool.query(
      `SELECT FROM stripe_reversals
        WHERE id = $1 AND decided_at <= to_timestamp($2) AND live <> $3`,
      [id, decidedAt, live],
    );
    return { undecided: rows.length > 0 };
  }

  /**
   * The payment of several that shared a payment intent whose credit notes this refund pays: where it
   * pays those of several, the one that it pays the most of. Null when no note tells.
   */
  async function notedPayment(refund: string): Promise<string | null> {
    const { rows } = await pool.query<{ payment: string }>(
      `SELECT payment
         FROM stripe_reversals r
        CROSS JOIN LATERAL payments_sharing(r.payment_name) AS payment
        CROSS JOIN LATERAL noted_refunds(payment) AS noted
        WHERE r.id = $1 AND noted.refund = r.id
        ORDER BY noted.amount DESC, payment
        LIMIT 1`,
      [refund],
    );
    return rows[0]?.payment ?? null;
  }

  /** What changes whenever the row of a dispute does. */
  async function versionOf(id: string): Promise<string | null> {
    const { rows } = await pool.query<{ version: string }>(
      'SELECT xmin::text AS version FROM stripe_reversals WHERE id = $1',
      [id],
    );
    return rows[0]?.version ?? null;
  }

  /**
   * Files what the API answered about a dispute, unless something was told since its version was
   * read, of which the answer may not have known.
   */
  async function decide(
    { id, amount, currency, status, live }: Reversal,
    version: string | null,
  ): Promise<boolean> {
    const { rowCount } = await pool.query(
      `UPDATE stripe_reversals
          SET amount = $3, currency = $4, status = $5, live = $6, asked_at = now()
        WHERE id = $1 AND xmin = $2::xid`,
      [id, version, amount, currency, status, live],
    );
    return rowCount === 1;
  }

  return { file, notedPayment, versionOf, decide, of };
}

const FIND: BatchStatement = {
  name: 'find_reversals',
  durable: false,
  text: `SELECT a.payment, r.id, r.kind, r.payment_name AS name, r.live
       FROM (SELECT DISTINCT unnest($1::text[])) AS a (payment)
      CROSS JOIN LATERAL names_of(a.payment) AS name
       JOIN stripe_reversals r ON r.payment_name = name
      ORDER BY greatest(r.decided_at, r.asked_at), r.recorded_at, r.id`,
};

async function findAll(
  session: BatchSession,
  payments: readonly string[],
): Promise<readonly (readonly FiledReversal[])[]> {
  const rows = await session.run<FiledReversal & { payment: string }>(FIND, [payments]);
  const filed = Map.groupBy(rows, ({ payment }) => payment);
  return payments.map((payment) =>
    (filed.get(payment) ?? []).map(({ id, kind, name, live }) => ({ id, kind, name, live })),
  );
}
