import { hash } from 'node:crypto';
import type { Pool } from 'pg';
import type { Answer, StripeApi } from '../api/api.ts';
import type { Users } from '../payments/users.ts';
import { isId } from '../shapes/json.ts';

/** Which Stripe customer a user is. */
export type Customers = ReturnType<typeof createCustomers>;

export interface CustomersOptions {
  readonly pool: Pool;
  readonly api: StripeApi;
  readonly users: Pick<Users, 'forget'>;
}

export function createCustomers({ pool, api, users }: CustomersOptions) {
  /** What is under way here, so that a user's first checkouts send one request, not one each. */
  const creating = new Map<string, Promise<Answer<string>>>();

  /** Their own one, else the first that a checkout elsewhere taught; null when there is none. */
  async function find(userId: string): Promise<string | null> {
    const { rows } = await pool.query<{ customer: string }>(
      `SELECT stripe_customer_id AS customer, NULL AS learned_at
         FROM stripe_customers
        WHERE user_id = $1 AND stripe_customer_id IS NOT NULL
        UNION ALL
       SELECT stripe_id, created_at
         FROM stripe_user_aliases
        WHERE user_id = $1 AND stripe_id LIKE 'cus\\_%'
        ORDER BY learned_at NULLS FIRST
        LIMIT 1`,
      [userId],
    );
    return rows[0]?.customer ?? null;
  }

  /** The user's customer, made when there is none. */
  async function findOrCreate(userId: string): Promise<Answer<string>> {
    const known = await find(userId);
    return known === null ? create(userId, null) : { kind: 'answer', value: known };
  }

  /**
   * Another customer in the place of one that Stripe does not know any more. The old one is
   * forgotten last: without any, somebody else's request would be given the old one once more.
   */
  async function replace(userId: string, gone: string): Promise<Answer<string>> {
    const known = await find(userId);
    if (known !== null && known !== gone) return { kind: 'answer', value: known };
    const created = await create(userId, gone);
    if (created.kind === 'answer') await users.forget(gone);
    return created;
  }

  /**
   * Several servers may create at once. The key makes it one customer: Stripe keeps keys apart by
   * account and mode. The one that is replaced is part of it, or the answer would be that one.
   */
  function create(userId: string, gone: string | null): Promise<Answer<string>> {
    const what = JSON.stringify([userId, gone]);
    const running = creating.get(what);
    if (running) return running;
    const key = `customer_${hash('sha256', what, 'base64url')}`;
    const made = createAndKeep(userId, gone, key).finally(() => creating.delete(what));
    creating.set(what, made);
    return made;
  }

  async function createAndKeep(
    userId: string,
    gone: string | null,
    idempotencyKey: string,
  ): Promise<Answer<string>> {
    const created = await api.ask((client) =>
      client.customers.create({ metadata: { user_id: userId } }, { idempotencyKey }),
    );
    if (created.kind !== 'answer') return created;
    const { id } = created.value;
    if (!isId(id)) return { kind: 'unusable', reason: "Stripe's answer has no usable id" };
    return { kind: 'answer', value: await keep(userId, id, gone) };
  }

  /** The first writer wins, but over the one that is gone. @returns the customer that counts now */
  async function keep(userId: string, customer: string, gone: string | null): Promise<string> {
    const { rows } = await pool.query<{ customer: string }>(
      `INSERT INTO stripe_customers AS c (user_id, stripe_customer_id) VALUES ($1, $2)
           ON CONFLICT (user_id) DO UPDATE
          SET stripe_customer_id = coalesce(nullif(c.stripe_customer_id, $3),
                                            excluded.stripe_customer_id)
       RETURNING stripe_customer_id AS customer`,
      [userId, customer, gone],
    );
    return rows[0]?.customer ?? customer;
  }

  return { find, findOrCreate, replace, forget: users.forget };
}
