import type { TestDatabase } from './database.ts';

/** What Stripe said of a payment of 1000: how much of it was refunded. The last word counts. */
export async function recordPayment(
  { sql }: Pick<TestDatabase, 'sql'>,
  payment: string,
  userId: string,
  refunded: number,
): Promise<void> {
  await sql(
    `INSERT INTO stripe_payments (payment, user_id, amount_paid, currency, outcome)
     VALUES ($1, $2, 1000, 'usd', 'granted') ON CONFLICT DO NOTHING`,
    [payment, userId],
  );
  await sql(
    `INSERT INTO stripe_payment_aliases (alias, payment) VALUES ($1, $1) ON CONFLICT DO NOTHING`,
    [payment],
  );
  await sql(
    `INSERT INTO stripe_reversals (id, kind, payment_name, amount, currency, live, status, decided_at)
     VALUES ('re_' || $1, 'refund', $1, $2, 'usd', true, 'succeeded', now())
         ON CONFLICT (id) DO UPDATE SET amount = excluded.amount`,
    [payment, refunded],
  );
}
