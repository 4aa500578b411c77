import type { FastifyBaseLogger } from 'fastify';
import { PurserError } from '../../errors.ts';
import type { Claim, Inbox } from '../inbox/inbox.ts';
import { FOR_RETURN, parked, type State, type Verdict, wakesOf } from '../inbox/verdicts.ts';
import { readEvent } from '../shapes/event.ts';
import type { Fulfilment } from './fulfil.ts';

export interface AttemptOptions {
  readonly inbox: Pick<Inbox, 'settle' | 'wake'>;
  readonly fulfil: Fulfilment['fulfil'];
  readonly log: FastifyBaseLogger;
}

/** One attempt at an event that the caller has claimed. It never throws. */
export type Attempt = (claim: Claim) => Promise<State>;

/**
 * Carries events out. The inbox and the ledger need no common transaction: each step is harmless
 * when it is repeated, and the event is settled only after its effect is durable, so a crash
 * anywhere in between costs a repetition, never credits.
 */
export function createAttempt({ inbox, fulfil, log }: AttemptOptions): Attempt {
  async function attempt(claim: Claim): Promise<State> {
    try {
      const verdict = await judgeOrPark(claim);
      const state = await inbox.settle(claim, verdict);
      const level = state === 'parked' ? 'warn' : 'info';
      const fields = { event: claim.id, attempt: claim.attempt, state, reason: verdict.reason };
      log[level](fields, 'Stripe event');
      await inbox.wake(wakesOf(verdict));
      return state;
    } catch (error) {
      // The verdict could not be written: the lease runs out, and the event is attempted again.
      // Or it was, and only the waking failed: what it would have woken is due by itself, later.
      log.error({ err: error, event: claim.id }, 'Stripe event could not be settled');
      return 'received';
    }
  }

  async function judgeOrPark(claim: Claim): Promise<Verdict> {
    try {
      const event = claim.event ?? readEvent(claim.payload);
      return await fulfil({ ...event, stale: claim.attempt > 1 });
    } catch (error) {
      log.error({ err: error, event: claim.id }, 'Stripe event failed');
      const what = error instanceof PurserError ? error.code : 'internal_error';
      return error instanceof PurserError && error.status === 503
        ? parked(`the ledger is not available: ${what}`, [], FOR_RETURN)
        : parked(`the attempt failed: ${what}`);
    }
  }

  return attempt;
}
