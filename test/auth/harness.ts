import { type FastifyInstance, fastify } from 'fastify';
import { CompactEncrypt } from 'jose';
import {
  type Authenticator,
  type AuthOptions,
  type AuthRecords,
  createAuthenticator,
} from '../../src/auth/authenticator.ts';
import { createGuard } from '../../src/auth/guard.ts';
import { deriveV4Key } from '../../src/auth/secret-keys.ts';
import { errorBody } from '../../src/envelope.ts';
import type { PurserError } from '../../src/errors.ts';

export const SECRET = 'kV9dQ2mX7tR4wZ8pL1sN6cB3yF5hJ0gA';
export const OTHER_SECRET = 'Zq3Wn8Er5Ty1Ui7Op2As9Df4Gh6Jk0Lx';

export const OPTIONS: AuthOptions = {
  secrets: [SECRET],
  formats: ['v4', 'v5'],
  sessionCookieNames: [],
  userIdClaim: 'sub',
  jwks: null,
};

/** Claims that every rule accepts, issued a minute before `now` (milliseconds). */
export function claimsAt(now: number) {
  const iat = Math.floor(now / 1000) - 60;
  return { sub: 'user-1', email: 'ada@example.com', iat, exp: iat + 3600 };
}

/** Encrypts any payload under any header with the key of a v4 token. */
export function forge(payload: unknown, header: object = {}, secret = SECRET): Promise<string> {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
  return new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', ...header })
    .encrypt(deriveV4Key(secret), { crit: { exp: true } });
}

/** For tests of session tokens: nothing is on record, and no database is needed. */
const NO_RECORDS: AuthRecords = {
  keyring: () => Promise.reject(new Error('no service keys here')),
  cutoffs: { refresh: () => null, of: () => 0 },
};

export const createSessions = (options: AuthOptions, clock?: () => number): Authenticator =>
  createAuthenticator(options, NO_RECORDS, clock);

/** The identity, or the refusal with the reason that only the log sees. */
export async function judge(authenticate: Authenticator, token: string) {
  try {
    return await authenticate([`Bearer ${token}`]);
  } catch (error) {
    const { code, cause } = error as PurserError;
    return { code, reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

export const judgeWith = (options: Partial<AuthOptions>, token: string) =>
  judge(createSessions({ ...OPTIONS, ...options }), token);

/** A server with one route behind the guard; `reasons` is what went to the log. */
export function createGuardedApp(authenticate: Authenticator): {
  readonly app: FastifyInstance;
  readonly reasons: string[];
} {
  const app = fastify();
  const reasons: string[] = [];
  app.setErrorHandler((error: PurserError, request, reply) => {
    reasons.push((error.cause as Error).message);
    return reply.code(error.status).headers(error.headers).send(errorBody(error, request.id));
  });
  app.addHook('onRequest', createGuard(authenticate));
  app.get('/whoami', async ({ identity }) => identity);
  return { app, reasons };
}
