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
        AND NOT EXISTS (SELECT
                          FROM stripe_payment_aliases
                          JOIN stripe_payments p USING (payment)
                         WHERE alias = f.object AND p.outcome = 'granted')
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
