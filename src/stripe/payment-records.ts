import type { Pool } from 'pg';
import type { Money } from './shapes.ts';

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
}

/** The SQL of stripe_payments: what was paid, and what became of it. */
export type PaymentRecords = ReturnType<typeof createPaymentRecords>;

export function createPaymentRecords(pool: Pool) {
  /** Records a payment once. What granted nothing may still grant; the reverse never happens. */
  async function record(payment: string, money: Money, what: PaymentOutcome): Promise<void> {
    await pool.query(
      `INSERT INTO stripe_payments AS p (payment, user_id, amount_paid, currency, outcome, reason)
       VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (payment) DO UPDATE
          SET user_id = excluded.user_id, amount_paid = excluded.amount_paid,
              currency = excluded.currency, outcome = excluded.outcome, reason = excluded.reason
        WHERE p.outcome = 'nothing' AND excluded.outcome = 'granted'`,
      [
        payment,
        what.outcome === 'granted' ? what.userId : null,
        money.amount,
        money.currency,
        what.outcome,
        what.outcome === 'nothing' ? what.reason : null,
      ],
    );
  }

  /** The payments that these names (pi_, ch_, in_, cs_) stand for: one, unless nobody joined them. */
  async function find(names: readonly string[]): Promise<readonly KnownPayment[]> {
    interface Row {
      payment: string;
      user_id: string | null;
      outcome: PaymentOutcome['outcome'] | null;
      reason: string | null;
    }
    const { rows } = await pool.query<Row>(
      `SELECT DISTINCT a.payment, p.user_id, p.outcome, p.reason
         FROM stripe_payment_aliases a
         LEFT JOIN stripe_payments p USING (payment)
        WHERE a.alias = ANY($1::text[])
        ORDER BY a.payment`,
      [names],
    );
    return rows.map(({ payment, outcome, user_id: userId, reason }) => {
      if (outcome === 'granted' && userId !== null) {
        return { payment, record: { outcome, userId } };
      }
      if (outcome === 'nothing') return { payment, record: { outcome, reason: reason ?? '' } };
      return { payment, record: null };
    });
  }

  return { record, find };
}
