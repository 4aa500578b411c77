import type { Patience, Verdict } from './inbox.ts';

/** In seconds. What comes back by itself, an absent API or ledger, is asked more often. */
const USUAL: Patience = { first: 5, longest: 3_600 };
export const FOR_RETURN: Patience = { first: 5, longest: 60 };
export const FOR_BUYER: Patience = { first: 60, longest: 86_400 };

/** The verdict on an event that cannot be carried out yet, and what wakes it early. */
export function parked(
  reason: string,
  waitsFor: readonly string[] = [],
  patience = USUAL,
): Verdict {
  return { state: 'parked', reason, waitsFor, patience };
}

/** What wakes events that wait for Stripe's API. */
export const API_IS_BACK = 'stripe_api';
/** What wakes events that wait for a price to enter the catalogue. */
export const priceIsKnown = (price: string) => `price:${price}`;
/** What wakes events that wait for the user of a customer or subscription. */
const USER_OF = 'user_of:';
export const userIsKnown = (stripeId: string) => `${USER_OF}${stripeId}`;
/** The customers and subscriptions among `causes` whose user is waited for. */
export const awaitedUsers = (causes: readonly string[]) =>
  causes.flatMap((cause) => (cause.startsWith(USER_OF) ? [cause.slice(USER_OF.length)] : []));
/** What wakes an unpaid session: the end of its payment. */
export const slowPaymentEnds = (session: string) => `slow_payment:${session}`;
/** What wakes a reversal that came before its payment, by any name of that. */
export const paymentIsKnown = (name: string) => `payment:${name}`;
