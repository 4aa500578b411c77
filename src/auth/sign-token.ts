import { randomUUID } from 'node:crypto';
import { EncryptJWT } from 'jose';
import { deriveV4Key } from './secret-keys.ts';

interface V4Token {
  readonly userId: string;
  readonly email?: string;
  readonly name?: string;
  /** The `NEXTAUTH_SECRET` of the front end. */
  readonly secret: string;
  readonly lifetimeSeconds: number;
  /** When it is issued, in milliseconds. */
  readonly now: number;
}

/** A session token as NextAuth v4 makes it, for trying the API without a front end. */
export function signV4Token(options: V4Token): Promise<string> {
  const { userId, email, name, secret, lifetimeSeconds, now } = options;
  const issuedAt = Math.floor(now / 1000);
  return new EncryptJWT({ name, email, sub: userId })
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + lifetimeSeconds)
    .setJti(randomUUID())
    .encrypt(deriveV4Key(secret));
}
