import {
  errors,
  type JWTClaimVerificationOptions,
  type JWTPayload,
  jwtDecrypt,
  jwtVerify,
} from 'jose';
import { createKeySet } from './key-set.ts';
import { deriveV4Key, deriveV5Keys, importHs256Key } from './secret-keys.ts';
import type { TokenFormat, TokenHeader } from './token-header.ts';
import { unauthorized } from './unauthorized.ts';

/** Where tokens come from, and which are accepted. */
export interface TokenSources {
  /** The secret in use first, then the previous ones: rotation. At most `MAX_SECRETS`. */
  readonly secrets: readonly string[];
  /** Which tokens made with a secret to accept. `hs256` makes whatever it signs a login. */
  readonly formats: readonly Exclude<TokenFormat, 'jwks'>[];
  /** Session cookie names of Auth.js v5 beside its two defaults. */
  readonly sessionCookieNames: readonly string[];
  /** Where tokens with a public key come from; null refuses them. */
  readonly jwks: {
    readonly url: string;
    readonly issuer: string;
    readonly audience: string | null;
    /** How long fetching the keys may take, in milliseconds; 5,000 when it is left out. */
    readonly timeoutMs?: number;
  } | null;
}

/** Decrypts or verifies a token of one format and checks its claims. */
export type OpenToken = (
  token: string,
  header: TokenHeader,
  checks: JWTClaimVerificationOptions,
) => Promise<JWTPayload>;

/** How many secrets may be in use at once: v4 tokens do not name theirs, so each is tried. */
export const MAX_SECRETS = 8;

/** How to open each accepted format. Keys are derived here, once. */
export function createOpeners(
  sources: TokenSources,
  clock: () => number,
): ReadonlyMap<TokenFormat, OpenToken> {
  const { secrets, formats, sessionCookieNames, jwks } = sources;
  if (secrets.length > MAX_SECRETS) throw new RangeError(`more than ${MAX_SECRETS} secrets`);
  const openers = new Map<TokenFormat, OpenToken>();
  if (formats.includes('v4')) openers.set('v4', v4(secrets));
  if (formats.includes('v5')) openers.set('v5', v5(secrets, sessionCookieNames));
  if (formats.includes('hs256')) openers.set('hs256', hs256(secrets));
  if (jwks !== null) openers.set('jwks', publicKey(jwks, clock));
  return openers;
}

function v4(secrets: readonly string[]): OpenToken {
  const keys = secrets.map(deriveV4Key);
  return (token, _header, checks) =>
    withEach(keys, async (key) => {
      return (await jwtDecrypt(token, key, { ...checks, ...jweChecks('A256GCM') })).payload;
    });
}

function v5(secrets: readonly string[], cookieNames: readonly string[]): OpenToken {
  const keys = deriveV5Keys(secrets, cookieNames);
  return async (token, { kid }, checks) => {
    const key = kid && keys.get(kid);
    if (!key) throw unauthorized('no kid, or of no secret and cookie name here');
    return (await jwtDecrypt(token, key, { ...checks, ...jweChecks('A256CBC-HS512') })).payload;
  };
}

const jweChecks = (enc: string) => ({
  keyManagementAlgorithms: ['dir'],
  contentEncryptionAlgorithms: [enc],
});

function hs256(secrets: readonly string[]): OpenToken {
  const keys = secrets.map(importHs256Key);
  return (token, _header, checks) =>
    withEach(keys, async (key) => {
      return (await jwtVerify(token, key, { ...checks, algorithms: ['HS256'] })).payload;
    });
}

function publicKey(
  { url, issuer, audience, timeoutMs }: NonNullable<TokenSources['jwks']>,
  clock: () => number,
): OpenToken {
  const findKey = createKeySet(url, clock, timeoutMs);
  return async (token, { alg, kid }, checks) => {
    if (!kid) throw unauthorized('no kid');
    const key = await findKey({ alg, kid });
    const { payload } = await jwtVerify(token, key, {
      ...checks,
      algorithms: [alg],
      issuer,
      ...(audience !== null && { audience }),
    });
    return payload;
  };
}

/** Tries one key after the other; any verdict but "not with this key" stands. */
async function withEach<Key>(
  keys: readonly Key[],
  open: (key: Key) => Promise<JWTPayload>,
): Promise<JWTPayload> {
  for (const key of keys) {
    try {
      return await open(key);
    } catch (error) {
      const wrongKey =
        error instanceof errors.JWEDecryptionFailed ||
        error instanceof errors.JWSSignatureVerificationFailed;
      if (!wrongKey) throw error;
    }
  }
  throw unauthorized('made with none of the secrets');
}
