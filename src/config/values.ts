import { checkSecret } from '../auth/check-secret.ts';
import { isServiceKey } from '../auth/service-key.ts';
import { MAX_AMOUNT } from '../ledger/core/command.ts';
import { isLoopback } from '../loopback.ts';
import { type ApiBase, livemodeOf, parseApiBase } from '../stripe/api/client.ts';
import { checkWebhookSecret } from '../stripe/receive/signature.ts';

export const MODES = ['production', 'development', 'test'] as const;
export type Mode = (typeof MODES)[number];

const TOKEN_FORMATS = ['v4', 'v5', 'hs256', 'jwks'] as const;

/** Begins every secret that `npm start` makes up, so that production can refuse it. */
export const LOCAL_MARK = 'purserlocal';

// What a variable may hold. Each returns the value to use, or throws the rest of a sentence that
// begins with the variable's name; the text itself is never repeated, because it may be a secret.

/** Accepts what SQLAlchemy and Neon write: a driver in the scheme, `sslmode=require`. */
export function asDatabaseUrl(text: string): string {
  const plain = text.replace(/^postgres(?:ql)?(?:\+\w+)?:/, 'postgres:');
  if (!plain.startsWith('postgres:') || !URL.canParse(plain)) {
    throw 'must be a Postgres URL such as postgres://user:password@host:5432/database';
  }
  const url = new URL(plain);
  if (!url.hostname || url.pathname.length < 2) throw 'must name a host and a database';
  if (![url.username, url.password, url.hostname, url.pathname].every(isDecodable)) {
    throw 'must percent-encode special characters, such as % as %25';
  }
  // asyncpg calls it `ssl`; with libpq's own meaning asked for, `sslmode` stays as it is.
  const asked = url.searchParams.get('ssl') ?? url.searchParams.get('sslmode');
  url.searchParams.delete('ssl');
  if (asked !== null && url.searchParams.get('uselibpqcompat') !== 'true') {
    url.searchParams.set('sslmode', asSslMode(asked));
  }
  return url.href;
}

/** Says what pg does for each mode, so that it need not warn: all but two check certificates. */
function asSslMode(asked: string): string {
  if (['disable', 'false', '0'].includes(asked)) return 'disable';
  if (asked === 'no-verify') return asked;
  const known = ['require', 'true', '1', 'verify-full', 'verify-ca', 'prefer'];
  if (!known.includes(asked)) throw 'has an unknown sslmode; try sslmode=require';
  return 'verify-full';
}

function isDecodable(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

export function asSecret(text: string, mode: Mode): string {
  const problem = checkSecret(text);
  if (problem) throw problem;
  return notMadeUp(text, mode);
}

export function asWebhookSecret(text: string, mode: Mode): string {
  const problem = checkWebhookSecret(text);
  if (problem) throw problem;
  return notMadeUp(text, mode);
}

export function asStripeKey(text: string, mode: Mode): string {
  if (livemodeOf(text) === null) throw 'must begin with sk_live_, sk_test_, rk_live_ or rk_test_';
  return notMadeUp(text, mode);
}

/** Its form says that it was made at random; what was typed by hand has another. */
export function asServiceKey(text: string): string {
  if (!isServiceKey(text) || new Set(text).size < 16) {
    throw 'must be purser_sk_ and then 43 characters: 32 random bytes in base64url';
  }
  return text;
}

function notMadeUp(text: string, mode: Mode): string {
  if (mode === 'production' && text.includes(LOCAL_MARK)) {
    throw 'was made up by `npm start` for a developer’s machine';
  }
  return text;
}

export function asApiBase(text: string, mode: Mode): ApiBase {
  const base = parseApiBase(text);
  if (!base) throw 'must be an origin such as https://api.stripe.com';
  asTrustedUrl(text, mode);
  return base;
}

/** Where something secret is sent or trusted: in production only https, or this machine. */
export function asTrustedUrl(text: string, mode: Mode): string {
  const { protocol, hostname } = new URL(asHttpUrl(text));
  if (mode === 'production' && protocol === 'http:' && !isLoopback(hostname)) {
    throw 'must be https in production';
  }
  return text;
}

function asHttpUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw 'must be a URL such as https://app.example.com';
  }
  return text;
}

export function asOrigin(text: string): string {
  return new URL(asHttpUrl(text)).origin;
}

/** Left unparsed, `*` or a trailing slash would quietly allow everything or nothing. */
export function asExactOrigin(text: string): string {
  if (!URL.canParse(text) || new URL(text).origin !== text || text === 'null') {
    throw 'must hold origins such as "https://app.example.com", without a path or a slash at the end';
  }
  return text;
}

export function asTokenFormat(text: string): (typeof TOKEN_FORMATS)[number] {
  const format = TOKEN_FORMATS.find((one) => one === text);
  if (!format) throw `may hold ${TOKEN_FORMATS.join(', ')}`;
  return format;
}

/** The most numbers of credits that an account is compared with after each entry. */
const MOST_AMOUNTS = 10;

/** Different numbers of credits, the highest first. */
export function asAmounts(text: string): readonly number[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    list = null;
  }
  const isAmount = (one: unknown) =>
    Number.isInteger(one) && Number(one) >= 1 && Number(one) <= MAX_AMOUNT;
  if (!Array.isArray(list) || !list.every(isAmount) || list.length > MOST_AMOUNTS) {
    throw `must be a JSON array of up to ${MOST_AMOUNTS} whole numbers from 1 on, such as [100, 20]`;
  }
  return [...new Set<number>(list)].sort((a, b) => b - a);
}
