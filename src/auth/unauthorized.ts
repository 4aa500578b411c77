import { PurserError } from '../errors.ts';

/** Says the same about every token, so that a forger learns nothing; it helps who sent a cookie. */
const MESSAGE =
  'A valid Bearer token is required: the NextAuth session JWT (session strategy "jwt"), not the ' +
  'cookie of a database session; or a service key.';

/**
 * The one 401 of the guard, whatever is wrong (RFC 6750, section 3.1). The reason goes to the log
 * as the error's cause, so it names rules and never repeats what the token holds.
 */
export function unauthorized(reason: string): PurserError {
  return new PurserError('unauthorized', {
    message: MESSAGE,
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
    cause: new Error(reason),
  });
}
