import type { Pool } from 'pg';
import type { BatchSession, BatchStatement } from '../../db/batch-session.ts';
import { coalesce } from '../../db/coalesce.ts';
import { readEvent } from '../shapes/event.ts';
import { at, idOf } from '../shapes/json.ts';

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

  /**
   * The user of the payment itself, else of its subscription, else of its customer, else null. By the
   * payment's further names an operator may know it: these are asked for where nobody else is known.
   */
  async function find(question: Question, names: readonly string[] = []): Promise<string | null> {
    return (await findOne(question)) ?? (await findNamed(names));
  }

  async function findNamed(names: readonly string[]): Promise<string | null> {
    if (names.length === 0) return null;
    const { rows } = await pool.query<{ user_id: string }>(
      `SELECT user_id FROM stripe_user_aliases WHERE stripe_id = ANY($1::text[])
        ORDER BY array_position($1::text[], stripe_id) LIMIT 1`,
      [names],
    );
    return rows[0]?.user_id ?? null;
  }

  return {
    link: (userId: string, stripeIds: readonly string[]) => linkUser(pool, userId, stripeIds),
    find,
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

/** The subscriptions (sub_…) that these checkout sessions began, as far as it was told and is kept. */
export async function findSubscriptions(
  pool: Pool,
  sessions: readonly string[],
): Promise<readonly string[]> {
  const { rows } = await pool.query<{ payload: string }>(
    `SELECT payload
       FROM stripe_events
      WHERE object_id = ANY($1::text[]) AND type = 'checkout.session.completed'
        AND payload IS NOT NULL
      ORDER BY object_id`,
    [sessions],
  );
  return rows.flatMap(({ payload }) => idOf(at(readEvent(payload).object, 'subscription')) ?? []);
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
