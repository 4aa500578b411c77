import { createSecretKey, hash, hkdfSync, type webcrypto } from 'node:crypto';

/** How Auth.js names its session cookie over http and over https; the name salts the key. */
const AUTHJS_COOKIE_NAMES = ['authjs.session-token', '__Secure-authjs.session-token'] as const;

/** The key that NextAuth v4 encrypts session tokens with (`next-auth/jwt`, empty salt). */
export function deriveV4Key(secret: string): webcrypto.CryptoKey {
  const key = hkdfSync('sha256', secret, '', 'NextAuth.js Generated Encryption Key', 32);
  return createSecretKey(new Uint8Array(key)).toCryptoKey('AES-GCM', false, ['encrypt', 'decrypt']);
}

/**
 * The keys that Auth.js v5 encrypts session tokens with (`@auth/core/jwt`), by their `kid`: one
 * for each secret and cookie name. They stay bytes, since jose splits them for CBC and HMAC.
 */
export function deriveV5Keys(
  secrets: readonly string[],
  furtherCookieNames: readonly string[],
): ReadonlyMap<string, Uint8Array> {
  const keys = new Map<string, Uint8Array>();
  for (const secret of secrets) {
    for (const name of [...AUTHJS_COOKIE_NAMES, ...furtherCookieNames]) {
      const info = `Auth.js Generated Encryption Key (${name})`;
      const key = new Uint8Array(hkdfSync('sha256', secret, name, info, 64));
      keys.set(thumbprint(key), key);
    }
  }
  return keys;
}

/** The key of tokens that an application signs itself with the bare secret. */
export function importHs256Key(secret: string): webcrypto.CryptoKey {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  return createSecretKey(secret, 'utf8').toCryptoKey(algorithm, false, ['verify']);
}

/** The SHA-512 thumbprint of a symmetric key as a JWK (RFC 7638, section 3.2). */
function thumbprint(key: Uint8Array): string {
  const k = Buffer.from(key).toString('base64url');
  return hash('sha512', JSON.stringify({ k, kty: 'oct' }), 'base64url');
}
