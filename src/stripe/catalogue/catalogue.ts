import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import { toPurserError } from '../../db/sqlstate.ts';
import type { PublishedTerms } from './terms.ts';

/** Something that is for sale, for a pricing page. */
export interface Pack {
  readonly price: string;
  /** From the terms, else of Stripe's product; null when neither says. */
  readonly name: string | null;
  readonly description: string | null;
  readonly credits: number;
  readonly category: PublishedTerms['category'];
  readonly expires: PublishedTerms['expires'];
  /** For one unit, in the currency's smallest unit. Null with `currency` when Stripe was not asked. */
  readonly amount: number | null;
  readonly currency: string | null;
  /** Null when it is paid once, or when Stripe was not asked. */
  readonly recurring: { readonly interval: string; readonly interval_count: number } | null;
}

/** The terms in force, read from the table that all servers share. */
export interface Catalogue {
  /** The terms of those prices that are known. */
  readonly find: (prices: readonly string[]) => Promise<ReadonlyMap<string, PublishedTerms>>;
  /** Terms as they were in force when something was offered, by the version that was noted then. */
  readonly findVersions: (
    offered: readonly { readonly price: string; readonly version: number }[],
  ) => Promise<ReadonlyMap<string, PublishedTerms>>;
  /** What is for sale, the cheapest first, at most `MAX_PACKS`; `fresh` past what is in memory. */
  readonly packs: (fresh?: boolean) => Promise<readonly Pack[]>;
  /** The ids of all prices that are known, for sale or not. */
  readonly known: () => Promise<readonly string[]>;
}

/**
 * How old terms may be, in milliseconds. Other servers and the CLI publish too; a price that is
 * not known yet is always looked up.
 */
const MAX_AGE = 5_000;
/** How many prices' terms are kept in memory. */
const CACHE_SIZE = 10_000;
/** The most packs that are listed: a page of them, not an export. */
const MAX_PACKS = 1_000;

export function createCatalogue(pool: Pool): Catalogue {
  const terms = new LRUCache<string, PublishedTerms>({
    max: CACHE_SIZE,
    ttl: MAX_AGE,
    fetchMethod: batched((prices) => selectTerms(pool, prices)),
  });
  const packs = new LRUCache<'all', readonly Pack[]>({
    max: 1,
    ttl: MAX_AGE,
    fetchMethod: () => selectPacks(pool),
  });
  return {
    async find(prices) {
      const distinct = [...new Set(prices)];
      const found = await Promise.all(distinct.map((price) => terms.fetch(price)));
      return new Map(
        distinct.flatMap((price, i) => {
          const one = found[i];
          return one === undefined ? [] : [[price, one] as const];
        }),
      );
    },
    findVersions: (offered) => selectVersions(pool, offered),
    packs: async (fresh = false) => (await packs.fetch('all', { forceRefresh: fresh })) ?? [],
    async known() {
      const { rows } = await pool.query<{ price: string }>('SELECT price FROM v_catalogue');
      return rows.map(({ price }) => price);
    },
  };
}

/** Turns a look-up of many into one of each: whoever asks in the same turn shares a query. */
function batched<T>(
  look: (keys: readonly string[]) => Promise<ReadonlyMap<string, T>>,
): (key: string) => Promise<T | undefined> {
  let batch: { readonly keys: Set<string>; readonly found: ReturnType<typeof look> } | null = null;
  return async (key) => {
    if (batch === null) {
      const keys = new Set<string>();
      const found = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        batch = null;
        return look([...keys]);
      });
      batch = { keys, found };
    }
    batch.keys.add(key);
    return (await batch.found).get(key);
  };
}

async function selectTerms(
  pool: Pool,
  prices: readonly string[],
): Promise<ReadonlyMap<string, PublishedTerms>> {
  const { rows } = await pool.query<PublishedTerms & { readonly price: string }>(
    `SELECT price, version, credits, category, expires, trial, free, manual, name, description,
            for_sale AS "forSale"
       FROM v_catalogue
      WHERE price = ANY($1::text[])`,
    [prices],
  );
  return new Map(rows.map(({ price, ...terms }) => [price, terms]));
}

async function selectVersions(
  pool: Pool,
  offered: readonly { readonly price: string; readonly version: number }[],
): Promise<ReadonlyMap<string, PublishedTerms>> {
  const { rows } = await pool.query<PublishedTerms & { readonly price: string }>(
    `SELECT price, version, credits, category, expires, trial, free, manual, name, description,
            for_sale AS "forSale"
       FROM catalogue_prices
       JOIN unnest($1::text[], $2::integer[]) AS o (price, version) USING (price, version)`,
    [offered.map(({ price }) => price), offered.map(({ version }) => version)],
  );
  return new Map(rows.map(({ price, ...terms }) => [price, terms]));
}

/** A price that Stripe has archived cannot be bought, whoever still names it. */
async function selectPacks(pool: Pool): Promise<readonly Pack[]> {
  try {
    const { rows } = await pool.query<Pack>(
      `SELECT c.price, c.credits, c.category, c.expires, s.amount, s.currency,
              coalesce(c.name, s.name)               AS name,
              coalesce(c.description, s.description) AS description,
              CASE WHEN s.interval_unit IS NOT NULL
                   THEN json_build_object('interval', s.interval_unit,
                                          'interval_count', s.interval_count) END AS recurring
         FROM v_catalogue c
         LEFT JOIN stripe_prices s USING (price)
        WHERE c.for_sale AND c.credits > 0 AND coalesce(s.active, true)
        ORDER BY s.amount NULLS LAST, c.credits, c.price
        LIMIT $1`,
      [MAX_PACKS],
    );
    return rows;
  } catch (error) {
    throw toPurserError(error);
  }
}
