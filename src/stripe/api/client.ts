import { Stripe } from 'stripe';

/** Where Stripe's API is reached: Stripe itself, a proxy, or a fake. */
export interface ApiBase {
  readonly host: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
}

export interface StripeClientOptions {
  readonly secretKey: string;
  /** Null for Stripe's own. */
  readonly apiBase: ApiBase | null;
  /** How long one request may take, in milliseconds; it is sent at most twice. */
  readonly timeout?: number;
}

/** Stripe's official client, with bounded waits and without its usage telemetry. */
export function createStripeClient(options: StripeClientOptions): Stripe {
  const { secretKey, apiBase, timeout = 4_000 } = options;
  return new Stripe(secretKey, { ...apiBase, timeout, maxNetworkRetries: 1, telemetry: false });
}

/**
 * Reads `STRIPE_API_BASE`, such as `http://127.0.0.1:12111`.
 * @returns the base, or null when the text is not an http(s) URL without a path of its own, which
 *   is all that the client can be told
 */
export function parseApiBase(text: string): ApiBase | null {
  if (!URL.canParse(text)) return null;
  const { protocol, hostname, port, pathname, search, hash, username } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return null;
  if (pathname !== '/' || search !== '' || hash !== '' || username !== '') return null;
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port),
    protocol: protocol === 'http:' ? 'http' : 'https',
  };
}

/** Whether a secret or restricted key is for live mode; null when it is neither kind. */
export function livemodeOf(secretKey: string): boolean | null {
  const kind = /^(?:sk|rk)_(live|test)_\S+$/.exec(secretKey)?.[1];
  return kind === undefined ? null : kind === 'live';
}
