import type { Pool } from 'pg';

/** What Stripe says of an active Price, for display. */
export interface StripePrice {
  readonly id: string;
  /** The product's. */
  readonly name: string | null;
  readonly description: string | null;
  /** For one unit, in the currency's smallest unit; null when that cannot be told. */
  readonly amount: number | null;
  readonly currency: string;
  /** `day`, `week`, `month`, `year`; null, with its count, for a price that is paid once. */
  readonly interval: string | null;
  readonly intervalCount: number | null;
}

/** Records all active prices; those that are not among them count as archived. */
export async function recordPrices(pool: Pool, prices: readonly StripePrice[]): Promise<void> {
  await pool.query(
    `WITH listed AS (
       SELECT *
         FROM json_to_recordset($1)
              AS l (id text, name text, description text, amount bigint, currency text,
                    interval text, "intervalCount" integer)
     ), archived AS (
       UPDATE stripe_prices
          SET active = false, synced_at = now()
        WHERE active AND price NOT IN (SELECT id FROM listed)
     )
     INSERT INTO stripe_prices AS p (price, name, description, amount, currency, interval_unit,
                                     interval_count, active)
     SELECT id, name, description, amount, currency, interval, "intervalCount", true
       FROM listed
      ORDER BY id
         ON CONFLICT (price) DO UPDATE
        SET name = excluded.name, description = excluded.description, amount = excluded.amount,
            currency = excluded.currency, interval_unit = excluded.interval_unit,
            interval_count = excluded.interval_count, active = true, synced_at = now()`,
    [JSON.stringify(prices)],
  );
}

/** Those of these prices that Stripe was asked about; null in the place of an archived one. */
export async function selectPrices(
  pool: Pool,
  ids: readonly string[],
): Promise<ReadonlyMap<string, StripePrice | null>> {
  const { rows } = await pool.query<StripePrice & { readonly active: boolean }>(
    `SELECT price AS id, name, description, amount, currency, interval_unit AS interval,
            interval_count AS "intervalCount", active
       FROM stripe_prices
      WHERE price = ANY($1::text[])`,
    [ids],
  );
  return new Map(rows.map(({ active, ...price }) => [price.id, active ? price : null]));
}

/** Records an active price that was not on record; a sync that came between knows it better. */
export async function addPrice(pool: Pool, price: StripePrice): Promise<void> {
  const { id, name, description, amount, currency, interval, intervalCount } = price;
  await pool.query(
    `INSERT INTO stripe_prices (price, name, description, amount, currency, interval_unit,
                                interval_count, active)
     VALUES ($1, $2, $3, $4, $5, $6, $7, true)
         ON CONFLICT (price) DO NOTHING`,
    [id, name, description, amount, currency, interval, intervalCount],
  );
}
