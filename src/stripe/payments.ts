import type { Pool, PoolClient } from 'pg';

/** The SQL of stripe_payment_aliases: one payment, however Stripe names it. */
export type Payments = ReturnType<typeof createPayments>;

export function createPayments(pool: Pool) {
  /**
   * Claims all names of a payment, and tells the one key under which it may be granted. Whoever
   * brings a payment posts it under that key, so it does not matter which of its events comes
   * first, fails or never returns: the ledger takes a grant key once. It comes before the grant,
   * because a check alone would let the session and the invoice of one payment both pass at the
   * same moment. One transaction: nobody may see names of one payment under two keys.
   * @returns `key`, or the one that was there first
   */
  async function claim(key: string, aliases: readonly string[]): Promise<string> {
    const client = await pool.connect();
    try {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      const owners = await claimNames(client, key, [...new Set([key, ...aliases])]);
      const [only, ...others] = owners;
      const owner =
        only !== undefined && others.length === 0 ? only : await join(client, key, owners);
      await client.query('COMMIT');
      client.release();
      return owner;
    } catch (error) {
      // Closing the connection rolls back, whatever state it is in.
      client.release(true);
      throw error;
    }
  }

  return { claim };
}

/** Takes the names that are free for `key`; returns the keys that now own them all. */
async function claimNames(
  client: PoolClient,
  key: string,
  names: readonly string[],
): Promise<readonly string[]> {
  // DO UPDATE, not DO NOTHING: it waits for a concurrent claim and returns whose it became.
  // Sorted, so that two claims of the same names cannot deadlock.
  const { rows } = await client.query<{ payment: string }>(
    `INSERT INTO stripe_payment_aliases (alias, payment)
     SELECT alias, $2 FROM unnest($1::text[]) AS a (alias) ORDER BY alias COLLATE "C"
         ON CONFLICT (alias) DO UPDATE SET alias = excluded.alias
  RETURNING payment`,
    [names, key],
  );
  return [...new Set(rows.map(({ payment }) => payment))];
}

/** Makes one payment of several: of the one that has been granted, else of one before `key`. */
async function join(client: PoolClient, key: string, owners: readonly string[]): Promise<string> {
  const { rows } = await client.query<{ payment: string }>(
    `SELECT o.payment
       FROM unnest($1::text[]) AS o (payment)
       LEFT JOIN credit_ledger l ON l.grant_key = o.payment
      ORDER BY l.grant_key IS NULL, o.payment = $2, o.payment COLLATE "C"
      LIMIT 1`,
    [owners, key],
  );
  const owner = rows[0]?.payment ?? key;
  await client.query(
    'UPDATE stripe_payment_aliases SET payment = $2 WHERE payment = ANY($1) AND payment <> $2',
    [owners, owner],
  );
  return owner;
}
