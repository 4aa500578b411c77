import { PurserError } from '../../errors.ts';
import { isLoopback } from '../../loopback.ts';

/** What Stripe puts the session's id in the place of. */
const SESSION_ID = '{CHECKOUT_SESSION_ID}';

/** Where a buyer may be sent back to. */
export interface ReturnUrls {
  /** @throws PurserError `invalid_request` when the text leads anywhere else */
  readonly check: (field: string, text: string) => string;
  readonly success: string;
  readonly cancel: string;
  readonly home: string;
}

/**
 * Addresses on the shop's own pages, so that nobody can use Stripe's page to send a buyer somewhere
 * else. A path stands for one on the front end.
 * @param frontEnd the origin of the shop, where a buyer returns to by default
 * @param origins those that are allowed, exactly as `URL.origin` writes them
 */
export function createReturnUrls(frontEnd: string, origins: readonly string[]): ReturnUrls {
  return {
    check(field, text) {
      const url = URL.canParse(text, frontEnd) ? new URL(text, frontEnd) : null;
      // Compared after parsing, as a browser would: `//evil`, `https:evil`, tabs and backslashes
      // have become what they mean, and what is sent to Stripe is the parsed form, not the text.
      if (url && isSafe(url) && origins.includes(url.origin)) return keepPlaceholder(url.href);
      throw new PurserError('invalid_request', {
        message:
          `The field \`${field}\` must be a path, or an https address of an origin in ` +
          'ALLOWED_ORIGINS.',
        fields: { field },
      });
    },
    success: `${frontEnd}/?checkout=success&session_id=${SESSION_ID}`,
    cancel: `${frontEnd}/?checkout=cancel`,
    home: `${frontEnd}/`,
  };
}

function isSafe({ protocol, hostname, username, password }: URL): boolean {
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/** In a path the parser writes braces as %7B and %7D; Stripe looks for the braces. */
function keepPlaceholder(href: string): string {
  return href.replaceAll(encodeURIComponent(SESSION_ID), SESSION_ID);
}
