import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

/** A new signing secret: 32 random bytes, as the Standard Webhooks specification writes them. */
export function makeSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

/**
 * The headers of the Standard Webhooks specification (standardwebhooks.com).
 * @param secrets each signs: during a rotation the receiver may still hold the old one
 * @param now in milliseconds since 1970
 */
export function sign(id: string, body: string, secrets: readonly string[], now: number) {
  const at = new Date(now);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now / 1_000)),
    'webhook-signature': secrets.map((one) => new Webhook(one).sign(id, at, body)).join(' '),
  };
}
