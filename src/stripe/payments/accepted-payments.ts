import type { BatchSession, BatchStatement } from '../../db/batch-session.ts';
import { coalesce } from '../../db/coalesce.ts';

/** What an operator has accepted to stay without credits; see `purser reconcile --accept`. */
export interface AcceptedPayments {
  /**
   * Who accepted that a payment, which goes by these names, has no credits, and why; null when
   * nobody did, or it has them.
   */
  readonly noteOf: (names: readonly string[]) => Promise<string | null>;
}

/**
 * In SQL: whether the payment of this name has its credits. The ledger says so, since a server may
 * die after it has granted and before that is on record.
 */
export const isGranted = (name: string) =>
  `EXISTS (SELECT
                    FROM stripe_payment_aliases a
                    JOIN credit_ledger l ON l.grant_key = a.payment
                   WHERE a.alias = ${name})`;

export function createAcceptedPayments(session: BatchSession): AcceptedPayments {
  return {
    noteOf: coalesce((payments: readonly (readonly string[])[]) => readAll(session, payments)),
  };
}

const READ: BatchStatement = {
  name: 'read_accepted_payments',
  durable: false,
  text: `SELECT a.n, min(f.note) AS note
       FROM unnest($1::int[], $2::text[]) AS a (n, name)
       JOIN stripe_findings f ON f.object = a.name AND f.kind = 'paid-but-not-granted'
      WHERE f.accepted_at IS NOT NULL
        AND NOT ${isGranted('f.object')}
      GROUP BY a.n`,
};

async function readAll(
  session: BatchSession,
  payments: readonly (readonly string[])[],
): Promise<readonly (string | null)[]> {
  const asked = payments.flatMap((names, n) => names.map((name) => ({ n, name })));
  const rows = await session.run<{ n: number; note: string }>(READ, [
    asked.map(({ n }) => n),
    asked.map(({ name }) => name),
  ]);
  const notes = new Map(rows.map(({ n, note }) => [n, note]));
  return payments.map((_, n) => notes.get(n) ?? null);
}
