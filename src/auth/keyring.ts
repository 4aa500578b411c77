import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import { coalesce } from '../db/coalesce.ts';
import { type KeyIdentity, SCOPES } from '../identity.ts';
import { findKeys, type StoredKey, touchKey } from './key-store.ts';
import { digestOf, isServiceKey } from './service-key.ts';
import { unauthorized } from './unauthorized.ts';

/**
 * Tells whose service key a text is.
 *
 * @throws 401 `unauthorized`, or 503 `database_unavailable` when it cannot be judged now
 */
export type Keyring = (key: string) => Promise<KeyIdentity>;

interface Admission {
  readonly identity: KeyIdentity;
  /** When the key must be looked up again, in milliseconds. */
  readonly until: number;
}

/**
 * How long a key that was found good is not looked up again, in milliseconds: a revocation holds
 * everywhere after this, at the latest.
 */
const CACHE_MS = 5_000;
const CACHE_SIZE = 1_000;
/** How often the use of a key is noted, in milliseconds. */
const TOUCH_EVERY = 60_000;

/**
 * Looks service keys up by their SHA-256. Look-ups that come at once share a statement, so that a
 * flood of made-up keys takes one connection; only good keys are remembered, so that it also takes
 * no memory, and a new key works at once.
 *
 * @param clock the time in milliseconds
 */
export function createKeyring(pool: Pool, clock: () => number = Date.now): Keyring {
  const admitted = new LRUCache<string, Admission>({ max: CACHE_SIZE });
  const find = coalesce((digests: readonly string[]) => findKeys(pool, digests));

  return async (key) => {
    if (!isServiceKey(key)) throw unauthorized('malformed service key');
    const digest = digestOf(key);
    const known = admitted.get(digest);
    if (known !== undefined && clock() < known.until) return known.identity;
    const now = clock();
    const stored = checked(await find(digest), now);
    // Nobody waits for it, and whatever keeps it from being written is told by other requests.
    if (isDue(stored, now)) touchKey(pool, stored.prefix).catch(() => {});
    const identity = identityOf(stored);
    const expiry = stored.expiresAt ?? Number.POSITIVE_INFINITY;
    admitted.set(digest, { identity, until: Math.min(now + CACHE_MS, expiry) });
    return identity;
  };
}

function checked(stored: StoredKey | null, now: number): StoredKey {
  if (stored === null) throw unauthorized('unknown service key');
  const { prefix, revokedAt, expiresAt } = stored;
  if (revokedAt !== null) throw unauthorized(`${prefix} is revoked`);
  if (expiresAt !== null && expiresAt <= now) throw unauthorized(`${prefix} has expired`);
  return stored;
}

function isDue({ lastUsedAt }: StoredKey, now: number): boolean {
  return lastUsedAt === null || lastUsedAt <= now - TOUCH_EVERY;
}

function identityOf({ prefix, scopes }: StoredKey): KeyIdentity {
  const known = SCOPES.filter((scope) => scopes.includes(scope));
  return Object.freeze({ kind: 'key', prefix, actor: `key:${prefix}`, scopes: new Set(known) });
}
