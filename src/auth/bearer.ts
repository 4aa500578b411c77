import { unauthorized } from './unauthorized.ts';

/** The longest Authorization header, in bytes: what Node accepts for all headers together. */
const MAX_HEADER_BYTES = 16 * 1024;

/**
 * The token of `Authorization: Bearer <token>` (RFC 6750, section 2.1).
 *
 * @param authorization every Authorization header of the request: of two, one would win here and
 *   the other in a proxy, so they are refused.
 * @throws 401 `unauthorized`
 */
export function readBearerToken(authorization: readonly string[]): string {
  const [header, ...others] = authorization;
  if (header === undefined) throw unauthorized('no Authorization header');
  if (others.length > 0) throw unauthorized('several Authorization headers');
  // Node decodes header values as latin1: one character is one byte.
  if (header.length > MAX_HEADER_BYTES) throw unauthorized('Authorization header too long');
  const token = /^bearer +(\S+)$/i.exec(header)?.[1];
  if (token === undefined) throw unauthorized('Authorization header is not "Bearer <token>"');
  return token;
}
