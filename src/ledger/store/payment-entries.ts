import type { Session, Statement } from '../../db/session.ts';
import type { Entry } from '../core/entry.ts';
import type { Reversed } from '../core/payment.ts';
import { ENTRY_COLUMNS, type EntryRow, toEntry } from './entry-row.ts';

// Entries of releases before the column `payment` are found by the key on their lead.
const FIND_PAYMENT_ENTRIES: Statement = {
  name: 'find_payment_entries',
  text: `
    SELECT ${ENTRY_COLUMNS} FROM credit_ledger WHERE payment = ANY($1::text[])
     UNION ALL
    SELECT ${ENTRY_COLUMNS}
      FROM (SELECT e.*
              FROM credit_ledger lead
              JOIN credit_ledger e ON e.user_id = lead.user_id AND e.seq >= lead.seq
                                  AND coalesce(e.lead_seq, e.seq) = lead.seq
             WHERE lead.grant_key = ANY($1::text[]) AND lead.payment IS NULL) AS older
     ORDER BY user_id, seq`,
};

const FIND_REVERSED: Statement = {
  name: 'find_reversed',
  text: `
    SELECT payment, amount_paid, amount_reversed,
           (SELECT jsonb_agg(jsonb_build_array(l.invoice_line, l.amount_paid, l.amount_reversed))
              FROM v_invoice_line_reversed l
             WHERE l.payment = p.payment) AS lines
      FROM v_payment_reversed p
     WHERE payment = ANY($1::text[])`,
};

/** All entries that granted, clawed back or reinstated for these payments, oldest first. */
export async function findPaymentEntries(
  session: Pick<Session, 'run'>,
  payments: readonly string[],
): Promise<readonly Entry[]> {
  if (payments.length === 0) return [];
  const { rows } = await session.run<EntryRow>(FIND_PAYMENT_ENTRIES, [payments]);
  return rows.map(toEntry);
}

/** How much of these payments has gone back, by what is known now. */
export async function findReversed(
  session: Pick<Session, 'run'>,
  payments: readonly string[],
): Promise<ReadonlyMap<string, Reversed>> {
  if (payments.length === 0) return new Map();
  type Line = readonly [invoiceLine: string, amountPaid: number, amountReversed: number];
  type Row = {
    payment: string;
    amount_paid: number;
    amount_reversed: number;
    lines: readonly Line[] | null;
  };
  const { rows } = await session.run<Row>(FIND_REVERSED, [payments]);
  return new Map(
    rows.map((row) => [
      row.payment,
      {
        amountPaid: row.amount_paid,
        amountReversed: row.amount_reversed,
        lines: new Map(
          row.lines?.map(([line, amountPaid, amountReversed]) => [
            line,
            { amountPaid, amountReversed },
          ]),
        ),
      },
    ]),
  );
}
