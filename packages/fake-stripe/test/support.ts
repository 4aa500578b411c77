import { Stripe } from 'stripe';
import { expect } from 'vitest';
import type { StripeEvent } from '../src/events.ts';
import type { FakeStripe } from '../src/fake-stripe.ts';

/** The real client, as a shop has it. */
export function clientOf(
  fake: FakeStripe,
  { key = 'sk_test_1', timeout = 5_000, maxNetworkRetries = 0 } = {},
): Stripe {
  const { hostname: host, port } = new URL(fake.url);
  return new Stripe(key, { host, port, protocol: 'http', timeout, maxNetworkRetries });
}

export const typesOf = (events: readonly StripeEvent[]) => events.map(({ type }) => type);

/** The one event of that type. */
export function named(events: readonly StripeEvent[], type: string): StripeEvent {
  const [event, ...others] = events.filter((one) => one.type === type);
  expect([event?.type, others.length]).toEqual([type, 0]);
  return event as StripeEvent;
}

/** A field of an object, as a text: an id. */
export const idIn = (object: Readonly<Record<string, unknown>>, field: string) =>
  String(object[field]);

export const PACK = [{ price: 'price_pack', unitAmount: 500, quantity: 2 }];

/** A payment by card. @returns its payment intent and charge */
export async function payByCard(fake: FakeStripe, options = {}) {
  const { id } = fake.createSession({
    userId: 'ada',
    customer: 'cus_ada',
    lines: PACK,
    ...options,
  });
  const { object, events } = fake.paySession(id);
  const intent = idIn(object, 'payment_intent');
  const told = await clientOf(fake).paymentIntents.retrieve(intent);
  return { session: id, intent, charge: idIn(told as never, 'latest_charge'), events };
}
