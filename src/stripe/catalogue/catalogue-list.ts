import type { Pool } from 'pg';
import type { Source } from './publish.ts';
import type { PublishedTerms } from './terms.ts';

/** A price with the terms in force, and who wrote them. */
export interface CataloguePrice extends PublishedTerms {
  readonly price: string;
  readonly source: Source;
}

/** Every price that was ever known. */
export async function listCatalogue(pool: Pool): Promise<readonly CataloguePrice[]> {
  const { rows } = await pool.query<CataloguePrice>(
    `SELECT c.price, c.version, c.source, c.credits, c.category, c.expires, c.trial, c.free,
            c.manual, coalesce(c.name, s.name) AS name, c.description, c.for_sale AS "forSale"
       FROM v_catalogue c
       LEFT JOIN stripe_prices s USING (price)
      ORDER BY c.price`,
  );
  return rows;
}
