import type { Pool } from 'pg';
import { inTransaction } from '../db/transaction.ts';
import type { Scope } from '../identity.ts';
import { digestOf, makeServiceKey, prefixOf } from './service-key.ts';

/** A service key as it is stored; times in milliseconds since 1970, null for never. */
export interface StoredKey {
  readonly prefix: string;
  readonly name: string;
  /** May hold scopes of a later release. */
  readonly scopes: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  /** To the minute. */
  readonly lastUsedAt: number | null;
}

export interface NewKey {
  /** For people: 1 to 100 characters. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: number | null;
}

const milliseconds = (column: string, name: string) =>
  `floor(extract(epoch FROM ${column}) * 1000)::bigint AS "${name}"`;

const COLUMNS = [
  'prefix, name, scopes',
  milliseconds('created_at', 'createdAt'),
  milliseconds('expires_at', 'expiresAt'),
  milliseconds('revoked_at', 'revokedAt'),
  milliseconds('last_used_at', 'lastUsedAt'),
].join(', ');

const INSERT = `
  INSERT INTO service_keys (prefix, digest, name, scopes, expires_at)
  SELECT $1, decode($2, 'hex'), $3, $4::text[], to_timestamp($5::float8 / 1000)`;

/** Makes and stores a key. Its text is returned here and is never to be had again. */
export async function createKey(
  pool: Pool,
  key: NewKey,
): Promise<{ readonly key: string; readonly prefix: string }> {
  const text = makeServiceKey();
  await pool.query(INSERT, valuesOf(text, key));
  return { key: text, prefix: prefixOf(text) };
}

/**
 * Stores the first admin key, unless there is or was any key: so a key that was revoked does not
 * come back with the next boot.
 * @returns whether it was stored
 */
export async function bootstrapKey(pool: Pool, text: string): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    // Two servers that boot at once must not both find the table empty.
    await client.query('LOCK TABLE service_keys IN SHARE ROW EXCLUSIVE MODE');
    const key: NewKey = { name: 'PURSER_ADMIN_KEY', scopes: ['admin'], expiresAt: null };
    const { rowCount } = await client.query(
      `${INSERT} WHERE NOT EXISTS (SELECT FROM service_keys)`,
      valuesOf(text, key),
    );
    return rowCount === 1;
  });
}

function valuesOf(text: string, { name, scopes, expiresAt }: NewKey): unknown[] {
  return [prefixOf(text), digestOf(text), name, scopes, expiresAt];
}

/** Every key there is or was, the newest first. */
export async function listKeys(pool: Pool): Promise<readonly StoredKey[]> {
  const { rows } = await pool.query<StoredKey>(
    `SELECT ${COLUMNS} FROM service_keys ORDER BY created_at DESC, prefix`,
  );
  return rows;
}

/** @returns null when there is no such key */
export async function revokeKey(
  pool: Pool,
  prefix: string,
): Promise<{ readonly name: string; readonly already: boolean } | null> {
  const { rows } = await pool.query<{ name: string; already: boolean }>(
    `WITH before AS (SELECT prefix, revoked_at FROM service_keys WHERE prefix = $1)
     UPDATE service_keys AS k
        SET revoked_at = coalesce(k.revoked_at, now())
       FROM before
      WHERE k.prefix = before.prefix
     RETURNING k.name, before.revoked_at IS NOT NULL AS already`,
    [prefix],
  );
  return rows[0] ?? null;
}

/** The keys with these digests (hex), in their order; null where there is none. */
export async function findKeys(
  pool: Pool,
  digests: readonly string[],
): Promise<readonly (StoredKey | null)[]> {
  const { rows } = await pool.query<StoredKey & { digest: string }>(
    `SELECT ${COLUMNS}, encode(digest, 'hex') AS digest
       FROM service_keys
      WHERE digest = ANY (SELECT decode(d, 'hex') FROM unnest($1::text[]) AS d)`,
    [digests],
  );
  const found = new Map(rows.map((row) => [row.digest, row]));
  return digests.map((digest) => found.get(digest) ?? null);
}

/** Notes that a key is in use, unless that was noted within the last minute. */
export async function touchKey(pool: Pool, prefix: string): Promise<void> {
  await pool.query(
    `UPDATE service_keys SET last_used_at = now()
      WHERE prefix = $1 AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute')`,
    [prefix],
  );
}
