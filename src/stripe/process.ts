import type { FastifyBaseLogger } from 'fastify';
import { PurserError } from '../errors.ts';
import type { GrantCommand, Outcome } from '../ledger/command.ts';
import type { Catalogue } from './catalogue.ts';
import { readEvent, type StripeEvent } from './event.ts';
import { type Worth, worthOf } from './grants.ts';
import type { Claim, Inbox, Patience, State, Verdict } from './inbox.ts';
import { interpret, type Payment } from './interpret.ts';
import type { Fetched, LineReader } from './lines.ts';
import type { Payments } from './payments.ts';
import type { Users } from './users.ts';

export interface ProcessOptions {
  readonly inbox: Inbox;
  readonly users: Users;
  readonly payments: Payments;
  readonly lines: LineReader;
  readonly post: (command: GrantCommand) => Promise<Outcome>;
  readonly catalogue: Catalogue;
  readonly livemode: boolean;
  readonly log: FastifyBaseLogger;
}

/** One attempt at an event that the caller has claimed. It never throws. */
export type Attempt = (claim: Claim) => Promise<State>;

/** What wakes events that wait for Stripe's API. */
export const API_IS_BACK = 'stripe_api';
/** What wakes events that wait for a price to enter the catalogue. */
export const priceIsKnown = (price: string) => `price:${price}`;
/** What wakes events that wait for the user of a customer or subscription. */
const userIsKnown = (stripeId: string) => `user_of:${stripeId}`;

/** In seconds. An absent API is asked more often, because it comes back by itself. */
const USUAL: Patience = { first: 5, longest: 3_600 };
const FOR_API: Patience = { first: 5, longest: 60 };
const FOR_RELEASE: Patience = { first: 86_400, longest: 86_400 };

/**
 * Carries events out. The inbox and the ledger need no common transaction: each step is harmless
 * when it is repeated, and the event is settled only after its effect is durable, so a crash
 * anywhere in between costs a repetition, never credits.
 */
export function createAttempt(options: ProcessOptions): Attempt {
  const { inbox, users, payments, lines, post, catalogue, livemode, log } = options;

  async function attempt(claim: Claim): Promise<State> {
    try {
      const verdict = await judgeOrPark(claim);
      const state = await inbox.settle(claim, verdict);
      const level = state === 'parked' ? 'warn' : 'info';
      const fields = { event: claim.id, attempt: claim.attempt, state, reason: verdict.reason };
      log[level](fields, 'Stripe event');
      return state;
    } catch (error) {
      // The verdict could not be written: the lease runs out, and the event is attempted again.
      log.error({ err: error, event: claim.id }, 'Stripe event could not be settled');
      return 'received';
    }
  }

  async function judgeOrPark(claim: Claim): Promise<Verdict> {
    try {
      return await judge(readEvent(claim.payload));
    } catch (error) {
      log.error({ err: error, event: claim.id }, 'Stripe event failed');
      const what = error instanceof PurserError ? error.code : 'internal_error';
      return parked(`the attempt failed: ${what}`);
    }
  }

  async function judge(event: StripeEvent): Promise<Verdict> {
    const intent = interpret(event, livemode);
    switch (intent.kind) {
      case 'ignore':
        return { state: 'ignored', reason: intent.reason };
      case 'park':
        return parked(intent.reason);
      case 'postpone':
        return parked(intent.reason, intent.waitsFor, FOR_RELEASE);
      case 'link':
        await users.link(intent.userId, intent.stripeIds);
        await inbox.wake(intent.stripeIds.map(userIsKnown));
        return { state: 'done' };
      case 'pay':
        return pay(event.id, intent.payment);
    }
  }

  async function pay(eventId: string, payment: Payment): Promise<Verdict> {
    const read = await linesOf(payment);
    if (read.kind === 'unusable') return parked(read.reason);
    if (read.kind === 'unreachable') {
      return parked("Stripe's API cannot be reached", API_IS_BACK, FOR_API);
    }
    const worth = worthOf(payment, read.lines, catalogue);
    switch (worth.kind) {
      case 'nothing':
        return { state: 'ignored', reason: worth.reason };
      case 'unusable':
        return parked(worth.reason);
      case 'unknown_price':
        return parked(`unknown price ${worth.price}`, priceIsKnown(worth.price));
      case 'grant':
        return grant(eventId, payment, worth);
    }
  }

  async function linesOf({ key, lines: known }: Payment): Promise<Fetched> {
    return known ? { kind: 'lines', lines: known } : lines.fetch(key);
  }

  async function grant(
    stripeEventId: string,
    payment: Payment,
    { grants }: Extract<Worth, { kind: 'grant' }>,
  ): Promise<Verdict> {
    const { key: grantKey, subscription, customer } = payment;
    const userId = payment.userId ?? (await users.find(subscription, customer));
    if (userId === null) {
      // A link that lands between this look-up and the parking wakes nothing: Stripe often sends
      // both events at once, so the first back-off is short.
      const stripeId = customer ?? subscription;
      return parked('unknown user', stripeId && userIsKnown(stripeId));
    }
    const owner = await payments.claim(grantKey, payment.aliases);
    if (owner !== grantKey) {
      return { state: 'ignored', reason: `the same payment as ${owner}, which gives the credits` };
    }
    const keys = { grantKey, stripeEventId, idempotencyKey: null };
    const outcome = await post({ kind: 'grant', userId, actor: 'stripe', grants, ...keys });
    if (!outcome.ok) return parked(`the ledger refuses: ${outcome.refusal.code}`);
    return { state: 'done', ...(outcome.replayed && { reason: 'it had been granted before' }) };
  }

  return attempt;
}

function parked(reason: string, waitsFor: string | null = null, patience = USUAL): Verdict {
  return { state: 'parked', reason, waitsFor, patience };
}
