import { unauthorized } from './unauthorized.ts';

/** Who made a token, and thereby the one kind of key that opens it. */
export type TokenFormat = 'v4' | 'v5' | 'hs256' | 'jwks';

export interface TokenHeader {
  readonly format: TokenFormat;
  readonly alg: string;
  readonly kid: string | undefined;
}

/** The whole allow-list. A JWE has five segments, a JWS three and no `enc`. */
const SHAPES = [
  { format: 'v4', segments: 5, alg: 'dir', enc: 'A256GCM' },
  { format: 'v5', segments: 5, alg: 'dir', enc: 'A256CBC-HS512' },
  { format: 'hs256', segments: 3, alg: 'HS256', enc: undefined },
  { format: 'jwks', segments: 3, alg: 'RS256', enc: undefined },
  { format: 'jwks', segments: 3, alg: 'ES256', enc: undefined },
  { format: 'jwks', segments: 3, alg: 'EdDSA', enc: undefined },
] as const;

/** Leaves out `zip` (decompression), `crit`, and `jwk`, `jku`, `x5u` (keys of the sender's own). */
const PARAMETERS: ReadonlySet<string> = new Set(['alg', 'enc', 'kid', 'typ', 'cty']);

/**
 * Reads what a compact JWS or JWE says about itself, before any cryptography.
 *
 * @throws 401 `unauthorized` unless all of it is canonical, known and allowed
 */
export function readTokenHeader(token: string): TokenHeader {
  const segments = token.split('.', 6);
  if (!segments.every(isCanonicalBase64url)) throw unauthorized('not canonical base64url');
  const header = parseObject(segments[0] ?? '');
  for (const [name, value] of Object.entries(header)) {
    if (!PARAMETERS.has(name)) throw unauthorized('header parameter not allowed');
    if (typeof value !== 'string') throw unauthorized('header parameter is not a string');
  }
  const { alg, enc, kid } = header;
  const shape = SHAPES.find(
    (known) => known.segments === segments.length && known.alg === alg && known.enc === enc,
  );
  if (shape === undefined) throw unauthorized('alg and enc not allowed');
  return { format: shape.format, alg: shape.alg, kid };
}

/**
 * Decoders ignore padding, white space and stray bits at the end, so many texts are one token.
 * Only the one that an encoder writes (RFC 4648, section 5, without padding) is accepted.
 */
function isCanonicalBase64url(segment: string): boolean {
  return Buffer.from(segment, 'base64url').toString('base64url') === segment;
}

function parseObject(segment: string): Readonly<Record<string, string>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, string>;
    }
  } catch {
    // What the parser says quotes the token.
  }
  throw unauthorized('not a JWT: the header is not a JSON object');
}
