import type { Pool } from 'pg';
import type { BatchSession, BatchStatement } from '../../db/batch-session.ts';
import { coalesce } from '../../db/coalesce.ts';
import { columnsOf } from '../../db/columns.ts';
import type { Amounts } from '../shapes/line-amounts.ts';
import type { Paid } from '../shapes/money.ts';

/** What became of a payment. */
export type PaymentOutcome =
  | { readonly outcome: 'granted'; readonly userId: string }
  /** It gives no credits, and so its refunds take none. */
  | { readonly outcome: 'nothing'; readonly reason: string };

/** A payment that one of its names stands for, and its record when there is one. */
export interface KnownPayment {
  /** The grant key: `cs_…` or `in_…`. */
  readonly payment: string;
  readonly record: PaymentOutcome | null;
  /** What was paid, in the currency's smallest unit; null when it is not recorded. */
  readonly paid: number | null;
  /** What of its cost was not paid, in the currency's smallest unit; null when that is not known. */
  readonly unpaid: number | null;
}

/** A payment to be recorded. */
interface Recording {
  readonly payment: string;
  readonly money: Paid;
  readonly what: PaymentOutcome;
  /** What each line of its invoice cost; null when that is not known. */
  readonly lineAmounts: Amounts | null;
}

/** The SQL of stripe_payments: what was paid, and what became of it. */
export type PaymentRecords = ReturnType<typeof createPaymentRecords>;

export function createPaymentRecords(pool: Pool, session: BatchSession) {
  const recordOne = coalesce((recordings: readonly Recording[]) => recordAll(session, recordings));

  /** Records a payment once. What granted nothing may still grant; the reverse never happens. */
  function record(
    payment: string,
    money: Paid,
    what: PaymentOutcome,
    lineAmounts: Amounts | null,
  ): Promise<void> {
    return recordOne({ payment, money, what, lineAmounts });
  }

  /** The payments that these names (pi_, ch_, in_, cs_) stand for: one, unless nobody joined them. */
  async function find(names: readonly string[]): Promise<readonly KnownPayment[]> {
    const { rows } = await pool.query<KnownRow>(
      `SELECT DISTINCT a.payment, ${KNOWN}
         FROM stripe_payment_aliases a
         LEFT JOIN stripe_payments p USING (payment)
        WHERE a.alias = ANY($1::text[])
        ORDER BY a.payment`,
      [names],
    );
    return rows.map(toKnown);
  }

  /** The other payments on record that a payment intent or charge of this one paid. */
  async function findSharing(payment: string): Promise<readonly KnownPayment[]> {
    const { rows } = await pool.query<KnownRow>(
      `SELECT DISTINCT p.payment, ${KNOWN}
         FROM shared_names_of($1) AS name
        CROSS JOIN LATERAL payments_sharing(name) AS key
         JOIN stripe_payments p ON p.payment = key
        WHERE p.payment <> $1
        ORDER BY p.payment`,
      [payment],
    );
    return rows.map(toKnown);
  }

  return { record, find, findSharing };
}

interface KnownRow {
  payment: string;
  user_id: string | null;
  outcome: PaymentOutcome['outcome'] | null;
  reason: string | null;
  paid: number | null;
  unpaid: number | null;
}

/** In SQL: what is on record of a payment. */
const KNOWN = `p.user_id, p.outcome, p.reason, p.amount_paid AS paid,
               p.amount_total - p.amount_paid AS unpaid`;

function toKnown({ payment, outcome, user_id: userId, reason, ...money }: KnownRow): KnownPayment {
  if (outcome === 'granted' && userId !== null) {
    return { payment, ...money, record: { outcome, userId } };
  }
  if (outcome === 'nothing') {
    return { payment, ...money, record: { outcome, reason: reason ?? '' } };
  }
  return { payment, ...money, record: null };
}

const RECORD: BatchStatement = {
  name: 'record_payments',
  durable: false,
  text: `INSERT INTO stripe_payments AS p
                        (payment, user_id, amount_paid, amount_total, currency, outcome, reason,
                         line_amounts)
     SELECT DISTINCT ON (payment COLLATE "C")
            payment, user_id, amount_paid, amount_total, currency, outcome, reason, line_amounts
       FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[],
                   $7::text[], $8::jsonb[])
            WITH ORDINALITY
         AS r (payment, user_id, amount_paid, amount_total, currency, outcome, reason,
               line_amounts, n)
      ORDER BY payment COLLATE "C", outcome <> 'granted', n
         ON CONFLICT (payment) DO UPDATE
        SET user_id = excluded.user_id, amount_paid = excluded.amount_paid,
            amount_total = excluded.amount_total,
            currency = excluded.currency, outcome = excluded.outcome, reason = excluded.reason,
            line_amounts = excluded.line_amounts
      WHERE p.outcome = 'nothing' AND excluded.outcome = 'granted'`,
};

/** Sorted, so that no two of them can deadlock; of two of one payment, what granted counts. */
async function recordAll(
  session: BatchSession,
  recordings: readonly Recording[],
): Promise<readonly undefined[]> {
  const columns = columnsOf(
    recordings,
    ({ payment }) => payment,
    ({ what }) => (what.outcome === 'granted' ? what.userId : null),
    ({ money }) => money.amount,
    ({ money }) => money.total,
    ({ money }) => money.currency,
    ({ what }) => what.outcome,
    ({ what }) => (what.outcome === 'nothing' ? what.reason : null),
    ({ lineAmounts }) => lineAmounts && JSON.stringify(lineAmounts),
  );
  await session.run(RECORD, columns);
  return recordings.map(() => undefined);
}
