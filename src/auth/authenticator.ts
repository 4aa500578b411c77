import { hash } from 'node:crypto';
import { errors } from 'jose';
import { LRUCache } from 'lru-cache';
import { PurserError } from '../errors.ts';
import type { Identity, UserIdentity } from '../identity.ts';
import { readBearerToken } from './bearer.ts';
import { readUserId, timeChecks, validUntil } from './claims.ts';
import type { Keyring } from './keyring.ts';
import { looksLikeServiceKey } from './service-key.ts';
import type { SessionCutoffs } from './session-cutoffs.ts';
import { readTokenHeader } from './token-header.ts';
import { createOpeners, type TokenSources } from './token-openers.ts';
import { unauthorized } from './unauthorized.ts';

/**
 * Tells who calls from the values of every Authorization header of a request.
 *
 * @throws 401 `unauthorized`, or 503 `keys_unavailable` or `database_unavailable` when the token
 *   or key cannot be judged now
 */
export type Authenticator = (authorization: readonly string[]) => Promise<Identity>;

export interface AuthOptions extends TokenSources {
  /** The claim that holds the user id, such as `sub` or `email`. */
  readonly userIdClaim: string;
}

/** What is on record of tokens and keys. */
export interface AuthRecords {
  readonly keyring: Keyring;
  readonly cutoffs: Pick<SessionCutoffs, 'refresh' | 'of'>;
}

interface Admission {
  readonly identity: UserIdentity;
  /** When the token was issued, in milliseconds. */
  readonly issuedAt: number;
  /** When the token must be looked at again, in milliseconds. */
  readonly until: number;
}

/** How long a verdict is reused, in milliseconds. */
const CACHE_MS = 30_000;
/** How many verdicts are kept: some 3 MB. */
const CACHE_SIZE = 10_000;

/**
 * Authenticates session tokens that were not revoked, and service keys with the keyring. Accepted tokens are remembered
 * for a moment, by the whole SHA-256 of the token so that the cache holds none: 1 µs instead of 85
 * (v4) or 220 (v5) to decrypt.
 *
 * @param clock the time in milliseconds
 */
export function createAuthenticator(
  { userIdClaim, ...sources }: AuthOptions,
  { keyring, cutoffs }: AuthRecords,
  clock: () => number = Date.now,
): Authenticator {
  const openers = createOpeners(sources, clock);
  const admitted = new LRUCache<string, Admission>({ max: CACHE_SIZE });

  async function admit(token: string): Promise<Admission> {
    const header = readTokenHeader(token);
    const open = openers.get(header.format);
    if (open === undefined) throw unauthorized(`${header.format} tokens are not accepted here`);
    const now = clock();
    const payload = await open(token, header, timeChecks(now));
    const userId = readUserId(payload, userIdClaim);
    return {
      identity: Object.freeze({ kind: 'user', userId, actor: 'user' }),
      issuedAt: (payload.iat ?? 0) * 1000,
      until: Math.min(now + CACHE_MS, validUntil(payload)),
    };
  }

  async function admitAnew(token: string, digest: string): Promise<Admission> {
    const admission = await admit(token).catch(refuse);
    admitted.set(digest, admission);
    return admission;
  }

  return async (authorization) => {
    const token = readBearerToken(authorization);
    if (looksLikeServiceKey(token)) return keyring(token);
    const digest = hash('sha256', token, 'base64url');
    const now = clock();
    const known = admitted.get(digest);
    const isKnown = known !== undefined && now < known.until;
    const { identity, issuedAt } = isKnown ? known : await admitAnew(token, digest);
    const outdated = cutoffs.refresh(now);
    if (outdated !== null) await outdated;
    if (issuedAt < cutoffs.of(identity.userId)) throw unauthorized('session revoked');
    return identity;
  };
}

/** Admits everyone as `test-user`: DISABLE_AUTH_FOR_TESTS. The configuration says when it may. */
export function createTestAuthenticator(): Authenticator {
  const identity: UserIdentity = { kind: 'user', userId: 'test-user', actor: 'user' };
  return async () => identity;
}

/** A failure of any kind is a refusal. jose's errors carry the claims, so only the text is kept. */
function refuse(error: unknown): never {
  if (error instanceof PurserError) throw error;
  throw unauthorized(error instanceof errors.JOSEError ? error.message : 'token or key unusable');
}
