import type { Pool } from 'pg';

/** The SQL of stripe_payment_aliases: one payment, however Stripe names it. */
export type Payments = ReturnType<typeof createPayments>;

export function createPayments(pool: Pool) {
  /**
   * Claims all names of a payment for the grant key under which it is about to be granted. It
   * comes before the grant, because a check alone would let the session and the invoice of one
   * payment both pass at the same moment; here the unique index lets only one of them through.
   * @returns the key that may grant for this payment: `key`, or the one that was there first
   */
  async function claim(key: string, aliases: readonly string[]): Promise<string> {
    // DO UPDATE, not DO NOTHING: it waits for a concurrent claim and returns whose it became.
    // Sorted, so that two claims of the same names cannot deadlock.
    const { rows } = await pool.query<{ payment: string }>(
      `INSERT INTO stripe_payment_aliases (alias, payment)
       SELECT alias, $2 FROM unnest($1::text[]) AS a (alias) ORDER BY alias COLLATE "C"
           ON CONFLICT (alias) DO UPDATE SET alias = excluded.alias
    RETURNING payment`,
      [[...new Set([key, ...aliases])], key],
    );
    const owner = rows.find(({ payment }) => payment !== key)?.payment ?? key;
    if (owner !== key) await merge(key, owner);
    return owner;
  }

  /** Gives the names that `key` won to the payment that it turned out to be. */
  async function merge(key: string, owner: string): Promise<void> {
    await pool.query('UPDATE stripe_payment_aliases SET payment = $2 WHERE payment = $1', [
      key,
      owner,
    ]);
  }

  return { claim };
}
