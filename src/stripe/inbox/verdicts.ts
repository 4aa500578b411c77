import type { NoAnswer } from '../api/api.ts';

/** Where an event stands: to be done, done, waiting for a cause to go away, or of no concern. */
export type State = 'received' | 'done' | 'parked' | 'ignored';

/** What an attempt found out. */
export type Verdict =
  | { readonly state: 'done'; readonly reason?: string; readonly wakes?: readonly string[] }
  | { readonly state: 'ignored'; readonly reason: string; readonly wakes?: readonly string[] }
  | {
      readonly state: 'parked';
      readonly reason: string;
      /** What wakes it early, such as `user_of:cus_…`: any of them; none when only time does. */
      readonly waitsFor: readonly string[];
      readonly patience: Patience;
    };

/** How long a parked event waits after its first attempt, then twice as long each time; seconds. */
export interface Patience {
  readonly first: number;
  readonly longest: number;
}

/**
 * The first pause of whatever is parked, in seconds. A cause may go away between the look-up that
 * missed it and the parking, and then wakes nothing: so everything is looked at again soon.
 */
const FIRST = 2;

/** What comes back by itself, an absent API or ledger, is asked more often. */
const USUAL: Patience = { first: FIRST, longest: 3_600 };
export const FOR_RETURN: Patience = { first: FIRST, longest: 60 };
export const FOR_BUYER: Patience = { first: FIRST, longest: 86_400 };

/** The verdict on an event that cannot be carried out yet, and what wakes it early. */
export function parked(
  reason: string,
  waitsFor: readonly string[] = [],
  patience = USUAL,
): Extract<Verdict, { readonly state: 'parked' }> {
  return { state: 'parked', reason, waitsFor, patience };
}

/**
 * The same for want of Stripe's answer: when Stripe is away it is asked again once it is back;
 * an answer that nothing can be made of is left for as long as `patience` says.
 */
export function parkedWithout(
  { kind, reason }: NoAnswer,
  waitsFor: readonly string[] = [],
  patience = USUAL,
): ReturnType<typeof parked> {
  return kind === 'unreachable'
    ? parked(reason, [...waitsFor, API_IS_BACK], FOR_RETURN)
    : parked(reason, waitsFor, patience);
}

/** What a verdict wakes; nothing while the event itself is parked. */
export function wakesOf(verdict: Verdict): readonly string[] {
  return verdict.state === 'parked' ? [] : (verdict.wakes ?? []);
}

/** What wakes events that wait for Stripe's API. */
export const API_IS_BACK = 'stripe_api';
/** What wakes events that wait for a price to enter the catalogue. */
export const priceIsKnown = (price: string) => `price:${price}`;
/** What wakes events that wait for the user of a customer, subscription or payment. */
export const userIsKnown = (stripeId: string) => `user_of:${stripeId}`;
/** What wakes an unpaid session: the end of its payment, by its own id or the payment intent's. */
export const slowPaymentEnds = (name: string) => `slow_payment:${name}`;
/** What wakes a reversal that came before its payment, by any name of that. */
export const paymentIsKnown = (name: string) => `payment:${name}`;
