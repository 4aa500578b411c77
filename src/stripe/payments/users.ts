import type { Pool } from 'pg';
import type { BatchSession, BatchStatement } from '../../db/batch-session.ts';
import { coalesce } from '../../db/coalesce.ts';

/** Whose user is asked for, by Stripe's ids. */
interface Question {
  /** A checkout session or an invoice, which only an operator can have linked. */
  readonly payment: string | null;
  readonly subscription: string | null;
  readonly customer: string | null;
}

/** The SQL that knows which user a Stripe customer, subscription or payment stands for. */
export type Users = ReturnType<typeof createUsers>;

export function createUsers(pool: Pool, session: BatchSession) {
  const findOne = coalesce((questions: readonly Question[]) => findAll(session, questions));

  /** Forgets whom a deleted customer stood for; what was granted stays. */
  async function forget(customer: string): Promise<void> {
    await pool.query('DELETE FROM stripe_user_aliases WHERE stripe_id = $1', [customer]);
    await pool.query(
      'UPDATE stripe_customers SET stripe_customer_id = NULL WHERE stripe_customer_id = $1',
      [customer],
    );
  }

  return {
    link: (userId: string, stripeIds: readonly string[]) => linkUser(pool, userId, stripeIds),
    /** The user of the payment itself, else of its subscription, else of its customer, else null. */
    find: (question: Question): Promise<string | null> => findOne(question),
    forget,
  };
}

/**
 * Remembers the user of a customer, a subscription or a payment. The first user of an id stays, and
 * the one for whom it was made, or to whom it was granted: a later checkout by somebody else with
 * the same customer must neither redirect the first one's renewals nor open their portal.
 * @returns the ids that belong to another user
 */
export async function linkUser(
  pool: Pool,
  userId: string,
  stripeIds: readonly string[],
): Promise<readonly string[]> {
  // DO UPDATE, not DO NOTHING, so that it returns whose the id was or has just become.
  const { rows } = await pool.query<{ stripe_id: string; user_id: string }>(
    `INSERT INTO stripe_user_aliases (stripe_id, user_id)
     SELECT stripe_id, coalesce((SELECT user_id FROM stripe_customers
                                  WHERE stripe_customer_id = s.stripe_id),
                                (SELECT p.user_id
                                   FROM stripe_payment_aliases a
                                   JOIN stripe_payments p ON p.payment = a.payment
                                  WHERE a.alias = s.stripe_id), $2)
       FROM unnest($1::text[]) AS s (stripe_id)
      ORDER BY stripe_id COLLATE "C"
         ON CONFLICT (stripe_id) DO UPDATE SET stripe_id = excluded.stripe_id
  RETURNING stripe_id, user_id`,
    [stripeIds, userId],
  );
  return rows.filter((row) => row.user_id !== userId).map((row) => row.stripe_id);
}

const FIND: BatchStatement = {
  name: 'find_users',
  durable: false,
  text: `SELECT coalesce((SELECT user_id FROM stripe_user_aliases WHERE stripe_id = q.payment),
                     (SELECT user_id FROM stripe_user_aliases WHERE stripe_id = q.subscription),
                     (SELECT user_id FROM stripe_customers WHERE stripe_customer_id = q.customer),
                     (SELECT user_id FROM stripe_user_aliases WHERE stripe_id = q.customer))
              AS user_id
       FROM unnest($1::text[], $2::text[], $3::text[])
              WITH ORDINALITY AS q (payment, subscription, customer, n)
      ORDER BY n`,
};

async function findAll(
  session: BatchSession,
  questions: readonly Question[],
): Promise<readonly (string | null)[]> {
  const rows = await session.run<{ user_id: string | null }>(FIND, [
    questions.map(({ payment }) => payment),
    questions.map(({ subscription }) => subscription),
    questions.map(({ customer }) => customer),
  ]);
  return rows.map((row) => row.user_id);
}
