import { createHmac } from 'node:crypto';
import type { StripeEvent } from './events.ts';

export interface DeliveryOptions {
  /** The webhook endpoint. */
  readonly url: string;
  /** Its signing secret, `whsec_…`. */
  readonly secret: string;
}

/**
 * The Stripe-Signature header of a payload, made by hand from the documented scheme rather than
 * with stripe-node, so that the receiver's library is checked against something else than itself.
 * @param timestamp in seconds since 1970
 * @see https://docs.stripe.com/webhooks#verify-manually
 */
export function signatureHeader(payload: string, secret: string, timestamp: number): string {
  const signature = createHmac('sha256', secret).update(`${timestamp}.${payload}`).digest('hex');
  return `t=${timestamp},v1=${signature}`;
}

/** Signs and posts an event, as Stripe does; each delivery has a fresh timestamp. */
export async function deliver(
  event: StripeEvent,
  { url, secret }: DeliveryOptions,
): Promise<Response> {
  const payload = JSON.stringify(event, null, 2);
  // The receiver compares the timestamp with its own clock, so it is never the fake's.
  const header = signatureHeader(payload, secret, Math.floor(Date.now() / 1000));
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': header },
    body: payload,
    // Stripe follows no redirection: it is a failure.
    redirect: 'manual',
    signal: AbortSignal.timeout(30_000),
  });
}
