import type { Pool } from 'pg';
import { createPool } from '../db/pool.ts';
import { databaseUrl } from './database-url.ts';

/**
 * Does a command's work on the database that its options name.
 * @param queryTimeout how long a query may take, in milliseconds
 */
export async function withPool<T>(
  options: Readonly<Record<string, string | undefined>>,
  work: (pool: Pool) => Promise<T>,
  queryTimeout?: number,
): Promise<T> {
  const url = await databaseUrl(options);
  const limit = queryTimeout === undefined ? {} : { queryTimeout };
  const pool = createPool({ url, size: 1, onError: () => {}, ...limit });
  return work(pool).finally(() => pool.end());
}
