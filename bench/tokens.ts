import type { Pool } from 'pg';
import { type AuthOptions, createAuthenticator } from '../src/auth/authenticator.ts';
import { createGuard } from '../src/auth/guard.ts';
import { createKeyring } from '../src/auth/keyring.ts';
import { createSessionCutoffs } from '../src/auth/session-cutoffs.ts';
import { signV4Token } from '../src/auth/sign-token.ts';

/** The real guard for the tokens of `createTokens`, and for service keys. */
export function createBenchGuard(secret: string, pool: Pool) {
  const options: AuthOptions = {
    secrets: [secret],
    formats: ['v4'],
    sessionCookieNames: [],
    jwks: null,
    userIdClaim: 'sub',
  };
  const records = { keyring: createKeyring(pool), cutoffs: createSessionCutoffs(pool) };
  return createGuard(createAuthenticator(options, records));
}

/** A NextAuth v4 session token of each user, in their order. */
export type Tokens = (users: readonly string[]) => Promise<readonly string[]>;

/** Signs each token once: 10,000 take a second. */
export function createTokens(secret: string): Tokens {
  const signed = new Map<string, string>();
  return async (users) => {
    const tokens: string[] = [];
    for (const userId of users) {
      const token =
        signed.get(userId) ??
        (await signV4Token({ userId, secret, lifetimeSeconds: 3600, now: Date.now() }));
      signed.set(userId, token);
      tokens.push(token);
    }
    return tokens;
  };
}
