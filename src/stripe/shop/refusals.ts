import { PurserError } from '../../errors.ts';
import type { Answer } from '../api/api.ts';

/** What is waited before Stripe is asked again, as long as it is left alone; in seconds. */
const RETRY_AFTER = '5';

/** That Stripe did not answer. @param reason for the log */
export function stripeUnavailable(reason: string): PurserError {
  const headers = { 'retry-after': RETRY_AFTER };
  return new PurserError('stripe_unavailable', { headers, cause: new Error(reason) });
}

/**
 * What Stripe answered, or the error for somebody who waits for it. What Stripe said goes to the
 * log, as codes: its texts may repeat what was sent.
 */
export function answerOf<T>(answer: Answer<T>): T {
  if (answer.kind === 'answer') return answer.value;
  if (answer.kind === 'unreachable') throw stripeUnavailable(answer.reason);
  const { reason, refusal } = answer;
  if (refusal?.type === 'idempotency_error') throw new PurserError('idempotency_conflict');
  throw new PurserError('stripe_refused', { cause: causeOf(reason, refusal) });
}

/** For the log: a refusal by its codes and the id under which Stripe's dashboard shows it. */
export function causeOf(reason: string, refusal: object | undefined): Error {
  return new Error(reason, { cause: refusal });
}

/** Whether Stripe says that it does not know, or knows no more, what this parameter names. */
export function isMissing(answer: Answer<unknown>, param: string): boolean {
  if (answer.kind !== 'unusable') return false;
  return answer.refusal?.code === 'resource_missing' && answer.refusal.param === param;
}
