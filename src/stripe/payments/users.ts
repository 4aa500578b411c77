import type { Pool } from 'pg';
import type { BatchSession, BatchStatement } from '../../db/batch-session.ts';
import { coalesce } from '../../db/coalesce.ts';
import { readEvent } from '../shapes/event.ts';
import { at, idOf } from '../shapes/json.ts';

/** Whose user is asked for, by Stripe's ids. */
interface Question {
  /** Its grant key: a checkout session or an invoice. */
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
   * The user of the payment itself, else of its subscription, else of its customer, else null. An
   * operator may know it by another name, also by one that was told apart from it: where nobody else
   * is known, all are asked for.
   * @param names of the payment, the surest first
   */
  async function find(question: Question, names: readonly string[] = []): Promise<string | null> {
    return (await findOne(question)) ?? (await findNamed(question.payment, names));
  }

  /** Whether one of these names of a payment says whose it is. */
  async function areLinked(names: readonly string[]): Promise<boolean> {
    const ask = (payment: string) => findOne({ payment, subscription: null, customer: null });
    return (await Promise.all(names.map(ask))).some((userId) => userId !== null);
  }

  async function findNamed(
    payment: string | null,
    names: readonly string[],
  ): Promise<string | null> {
    if (payment === null) return null;
    const { rows } = await pool.query<{ user_id: string }>(
      `WITH named AS (
         SELECT name, n FROM unnest($2::text[]) WITH ORDINALITY AS given (name, n)
          UNION ALL
         SELECT names_of(payment), NULL FROM stripe_payment_aliases WHERE alias = $1
       )
       SELECT u.user_id
         FROM named
         JOIN stripe_user_aliases u ON u.stripe_id = named.name
        ORDER BY named.n, named.name
        LIMIT 1`,
      [payment, names],
    );
    return rows[0]?.user_id ?? null;
  }

  return {
    link: (userId: string, stripeIds: readonly string[]) => linkUser(pool, userId, stripeIds),
    find,
    areLinked,
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

/**
 * The keys of the payments that these names stand for, as far as it was told: the invoice of a payment
 * intent, of which the event that says `paid` may name neither.
 */
export async function findPaymentKeys(
  pool: Pool,
  names: readonly string[],
): Promise<readonly string[]> {
  const { rows } = await pool.query<{ payment: string }>(
    `SELECT DISTINCT payment
       FROM unnest($1::text[]) AS name
      CROSS JOIN LATERAL payments_sharing(name) AS payment
      ORDER BY payment`,
    [names],
  );
  return rows.map(({ payment }) => payment);
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
