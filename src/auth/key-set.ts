import { createLocalJWKSet, errors, type JSONWebKeySet } from 'jose';
import { PurserError } from '../errors.ts';

/** How long a fetched set is used before it is fetched again, in milliseconds. */
const MAX_AGE_MS = 10 * 60_000;
/**
 * How long it serves on while the address does not answer, in milliseconds: an outage there signs
 * nobody out, and even then a key that was taken back works no longer than this.
 */
const MAX_STALE_MS = 60 * 60_000;
/** The least time between two fetches, in milliseconds, whatever tokens ask for. */
const COOLDOWN_MS = 10_000;
/** Shorter than the cooldown, so that one fetch is over before the next begins. */
const FETCH_TIMEOUT_MS = 5000;
const MAX_SET_BYTES = 256 * 1024;

type LocalKeySet = ReturnType<typeof createLocalJWKSet>;
type VerificationKey = Awaited<ReturnType<LocalKeySet>>;

/** Finds the public key that a token names. */
export type KeySet = (header: {
  readonly alg: string;
  readonly kid: string;
}) => Promise<VerificationKey>;

/**
 * The keys at a JWKS address (RFC 7517), fetched when a token first needs them and again when they
 * grow old or a `kid` is unknown. Requests that wait share one fetch, and a failed fetch counts
 * for the cooldown too: jose's own remote set fetches anew for each request of an outage. While
 * fetches fail, known keys serve on for an hour, and nobody who has one waits for a fetch.
 *
 * @param timeoutMs how long a fetch may take, in milliseconds, from its start to the last byte
 * @throws from the returned function: 503 `keys_unavailable` for a key that is not known while
 *   the address does not answer, or jose's `JWKSNoMatchingKey`
 */
export function createKeySet(
  url: string,
  clock: () => number,
  timeoutMs = FETCH_TIMEOUT_MS,
): KeySet {
  let keys: LocalKeySet | null = null;
  let loadedAt = Number.NEGATIVE_INFINITY;
  let attemptedAt = Number.NEGATIVE_INFINITY;
  let failure: unknown = null;
  let loading = Promise.resolve();

  async function load(): Promise<void> {
    attemptedAt = clock();
    try {
      keys = createLocalJWKSet(await fetchJwks(url, timeoutMs));
      loadedAt = clock();
      failure = null;
    } catch (error) {
      failure = error;
    }
  }

  async function refresh(): Promise<void> {
    if (clock() - attemptedAt >= COOLDOWN_MS) loading = load();
    await loading;
  }

  async function find(header: Parameters<KeySet>[0]): Promise<VerificationKey | null> {
    if (keys === null || clock() - loadedAt >= MAX_STALE_MS) return null;
    try {
      return await keys(header);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return null;
      throw error;
    }
  }

  return async (header) => {
    if (clock() - loadedAt >= MAX_AGE_MS) {
      const refreshed = refresh();
      if (failure === null) await refreshed;
    }
    const known = await find(header);
    if (known !== null) return known;
    await refresh();
    const added = await find(header);
    if (added !== null) return added;
    if (failure === null) throw new errors.JWKSNoMatchingKey();
    const seconds = Math.ceil((attemptedAt + COOLDOWN_MS - clock()) / 1000);
    throw new PurserError('keys_unavailable', {
      headers: { 'retry-after': String(Math.max(1, seconds)) },
      cause: failure,
    });
  };
}

async function fetchJwks(url: string, timeoutMs: number): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the JWKS address answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_SET_BYTES) throw new Error('the JWKS is too large');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}
