import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '../../db/transaction.ts';
import { wakeWaiting } from '../inbox/inbox.ts';
import { priceIsKnown } from '../inbox/verdicts.ts';
import type { Terms, TermsByPrice } from './terms.ts';

/** Who says what a price gives. Of those that name a price the first counts. */
export type Source = 'env' | 'file' | 'stripe';

/** What publishing did to a price of the source. */
export interface Change {
  readonly price: string;
  readonly kind: 'new' | 'changed' | 'withdrawn';
  /** What the source said before; null when it is new. */
  readonly before: Terms | null;
  /** What it says now; null when it names the price no more. */
  readonly after: Terms | null;
}

export interface Publication {
  readonly source: Source;
  /** All that the source names now: what is missing here is withdrawn. */
  readonly prices: TermsByPrice;
  /** Prices of which the source says something that cannot be used: they stay as they are. */
  readonly untouched?: ReadonlySet<string>;
}

/**
 * Writes a version for each price of which the source says something else than before, and wakes
 * the events that waited for one. A price that the source names no more stays known, because its
 * renewals go on, but is not for sale. Any number of servers may publish the same at once.
 * @returns what was new, in the order of the ids
 */
export async function publish(pool: Pool, publication: Publication): Promise<readonly Change[]> {
  const changes = await inTransaction(pool, async (client) => {
    // Publishers take turns; those who read are not held up. A statement of its own, so that the
    // next one sees what the one before has committed.
    await client.query('LOCK TABLE catalogue_prices IN SHARE ROW EXCLUSIVE MODE');
    const found = compare(await selectLatest(client, publication.source), publication);
    if (found.length > 0) await insert(client, publication.source, found);
    return found;
  });
  const causes = changes.flatMap(({ price, after }) => (after ? [priceIsKnown(price)] : []));
  if (causes.length > 0) await wakeWaiting(pool, causes);
  return changes;
}

/** What publishing would do, without doing it. */
export async function compareWithPublished(
  pool: Pool,
  publication: Publication,
): Promise<readonly Change[]> {
  return compare(await selectLatest(pool, publication.source), publication);
}

interface Latest extends Terms {
  readonly price: string;
  readonly withdrawn: boolean;
}

async function selectLatest(
  db: Pick<Pool, 'query'> | PoolClient,
  source: Source,
): Promise<readonly Latest[]> {
  const { rows } = await db.query<Latest>(
    `SELECT DISTINCT ON (price)
            price, credits, category, expires, trial, free, manual, name, description,
            for_sale AS "forSale", withdrawn
       FROM catalogue_prices
      WHERE source = $1
      ORDER BY price, version DESC`,
    [source],
  );
  return rows;
}

function compare(published: readonly Latest[], publication: Publication): readonly Change[] {
  const { prices, untouched } = publication;
  const known = new Map(published.map((latest) => [latest.price, latest]));
  const changes: Change[] = [];
  for (const [price, after] of prices) {
    const { withdrawn = true, ...before } = known.get(price) ?? { ...after, withdrawn: true };
    if (!withdrawn && sameTerms(before, after)) continue;
    const kind = withdrawn ? 'new' : 'changed';
    changes.push({ price, kind, before: withdrawn ? null : before, after });
  }
  for (const { price, withdrawn, ...before } of published) {
    if (withdrawn || prices.has(price) || untouched?.has(price)) continue;
    changes.push({ price, kind: 'withdrawn', before, after: null });
  }
  return changes.sort((a, b) => (a.price < b.price ? -1 : 1));
}

/** The members in which terms may differ. */
export const TERMS = [
  ...(['credits', 'category', 'expires', 'trial', 'free', 'manual'] as const),
  ...(['name', 'description', 'forSale'] as const),
] satisfies readonly (keyof Terms)[];

function sameTerms(a: Terms, b: Terms): boolean {
  return TERMS.every((member) => a[member] === b[member]);
}

async function insert(
  client: PoolClient,
  source: Source,
  changes: readonly Change[],
): Promise<void> {
  const rows = changes.map(({ price, before, after }) => ({
    ...(after ?? before),
    price,
    withdrawn: after === null,
  }));
  await client.query(
    `INSERT INTO catalogue_prices (price, version, source, credits, category, expires, trial, free,
                                   manual, name, description, for_sale, withdrawn)
     SELECT price,
            1 + coalesce((SELECT max(version) FROM catalogue_prices k WHERE k.price = n.price), 0),
            $1, credits, category, expires, trial, free, manual, name, description, "forSale",
            withdrawn
       FROM json_to_recordset($2)
            AS n (price text, credits bigint, category text, expires text, trial text, free text,
                  manual text, name text, description text, "forSale" boolean, withdrawn boolean)`,
    [source, JSON.stringify(rows)],
  );
}
