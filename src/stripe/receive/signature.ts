import { Stripe } from 'stripe';
import { PurserError } from '../../errors.ts';

/**
 * How far a signature's timestamp may be from our clock, in seconds, in either direction: Stripe's
 * own default. 0, NaN or a negative number would switch the replay check off.
 */
const TOLERANCE = 300;

/**
 * Checks that one of `secrets` signed exactly these bytes, at most 5 minutes ago, and returns them
 * as text. Whatever is wrong is one and the same refusal: stripe-node throws more than its
 * StripeSignatureVerificationError (an empty `v1=` is an Error, 64 non-ASCII characters are a
 * RangeError), and none of it may look like a fault of ours.
 * @param now in milliseconds since 1970
 * @throws PurserError `invalid_signature`
 * @see https://docs.stripe.com/webhooks/signature
 */
export function verifySignature(
  body: Buffer,
  header: string | undefined,
  secrets: readonly string[],
  now: number,
): string {
  let problem = 'there is no secret to check it with';
  for (const secret of secrets) {
    try {
      verify(body, header ?? '', secret, now);
      return body.toString('utf8');
    } catch (error) {
      // Its words alone: stripe-node's error also carries the body, which no log may hold.
      problem = error instanceof Error ? error.message : String(error);
    }
  }
  throw new PurserError('invalid_signature', { cause: new Error(problem) });
}

function verify(body: Buffer, header: string, secret: string, now: number): void {
  const { signature } = Stripe.webhooks;
  if (!signature) throw new Error('stripe-node came without its signature check');
  signature.verifyHeader(body, header, secret, TOLERANCE, undefined, now);
  refuseFuture(header, now);
}

/** stripe-node only refuses timestamps that are too old. */
function refuseFuture(header: string, now: number): void {
  const timestamps = header.split(',').filter((item) => item.startsWith('t='));
  const [only = '', ...others] = timestamps.map((item) => item.slice(2));
  if (others.length > 0 || !/^\d{1,12}$/.test(only)) {
    throw new Error('the header does not hold exactly one timestamp');
  }
  if (Number(only) - now / 1000 > TOLERANCE) throw new Error('the timestamp lies in the future');
}

/**
 * What is wrong with a webhook secret, or null. Any text is a working HMAC key, `undefined` too,
 * so a server with a mistyped one would refuse every event of Stripe's and accept a guesser's.
 */
export function checkWebhookSecret(secret: string): string | null {
  if (secret.trim() === '') return 'is blank';
  if (/\s/.test(secret)) return 'contains white space';
  if (!/^whsec_./.test(secret)) return 'does not begin with whsec_';
  return null;
}
