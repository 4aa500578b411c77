import { Type } from 'typebox';
import { bodyErrors, error, PRINTABLE_ASCII } from '../../../operation.ts';
import { endsBefore } from '../../fulfil/deadline.ts';
import { stripeUnavailable } from '../refusals.ts';

/** How long somebody waits for Stripe at most, in milliseconds. */
const ANSWER_WITHIN = 4_500;

/**
 * The outcome of `work`, if it comes while somebody waits. What Stripe has begun goes on: the same
 * Idempotency-Key finds it.
 * @throws PurserError `stripe_unavailable`
 */
export async function inTime<T>(work: Promise<T>): Promise<T> {
  if (await endsBefore(Date.now() + ANSWER_WITHIN, work)) return work;
  throw stripeUnavailable('Stripe took too long');
}

/** Where Stripe sends the buyer back to. */
export const ReturnUrl = (description: string) =>
  Type.String({
    minLength: 1,
    maxLength: 2_000,
    pattern: PRINTABLE_ASCII,
    description: `${description} A path on the front end, or an address of an allowed origin.`,
  });

/** What a route behind the guard answers that takes a body and asks Stripe. */
export const stripeErrors = {
  ...bodyErrors,
  502: error('Stripe refuses what it was asked for, as with a setting that is missing there.'),
  503: error('Stripe or the database is away; retry as Retry-After says.'),
};
