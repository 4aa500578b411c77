import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { type AuthOptions, createAuthenticator } from '../src/auth/authenticator.ts';
import { createGuard } from '../src/auth/guard.ts';
import { createKeyring } from '../src/auth/keyring.ts';
import { createSessionCutoffs } from '../src/auth/session-cutoffs.ts';
import { signV4Token } from '../src/auth/sign-token.ts';

/** The real guard for the tokens of `createTokenFiles`. */
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

/** The file that holds a NextAuth v4 session token for each user, one a line. */
export type TokenFiles = (users: readonly string[]) => Promise<string>;

/** Writes each file once: 10,000 tokens take a second. */
export function createTokenFiles(folder: string, secret: string): TokenFiles {
  const written = new Set<string>();
  return async (users) => {
    const file = join(folder, `tokens-${users[0]}`);
    if (written.has(file)) return file;
    const tokens: string[] = [];
    for (const userId of users) {
      tokens.push(await signV4Token({ userId, secret, lifetimeSeconds: 3600, now: Date.now() }));
    }
    await writeFile(file, tokens.join('\n'), { mode: 0o600 });
    written.add(file);
    return file;
  };
}
