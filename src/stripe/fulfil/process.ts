import type { FastifyBaseLogger } from 'fastify';
import { PurserError } from '../../errors.ts';
import type { Command, Outcome } from '../../ledger/command.ts';
import type { Answer, StripeApi } from '../api/api.ts';
import { fetchCheckout, fetchLines } from '../api/lines.ts';
import { fetchSession } from '../api/sessions.ts';
import type { Claim, Inbox, State, Verdict } from '../inbox/inbox.ts';
import {
  API_IS_BACK,
  FOR_BUYER,
  FOR_RETURN,
  parked,
  priceIsKnown,
  slowPaymentEnds,
  userIsKnown,
} from '../inbox/verdicts.ts';
import type { PaymentOutcome, PaymentRecords } from '../payments/payment-records.ts';
import type { Payments } from '../payments/payments.ts';
import type { PurchaseIntent } from '../payments/purchase-intents.ts';
import type { Users } from '../payments/users.ts';
import type { TakeBack } from '../reversals/take-back.ts';
import { readEvent, type StripeEvent } from '../shapes/event.ts';
import { at, idOf, type Json } from '../shapes/json.ts';
import type { Line } from '../shapes/shapes.ts';
import { pricesOf, type Worth, worthOf } from './grants.ts';
import {
  ENDS_OF_SLOW_PAYMENT,
  interpret,
  type Link,
  type NamedPayment,
  type Payment,
} from './interpret.ts';
import { linesOfIntent, type Sold } from './sold.ts';

export interface ProcessOptions {
  readonly inbox: Inbox;
  readonly users: Users;
  readonly payments: Payments;
  readonly records: PaymentRecords;
  readonly takeBack: TakeBack;
  readonly api: StripeApi;
  readonly post: (command: Command) => Promise<Outcome>;
  readonly sold: Sold;
  readonly livemode: boolean;
  /** Whether a `client_reference_id` says whose a payment is, where nothing else does. */
  readonly trustsReference: boolean;
  readonly log: FastifyBaseLogger;
}

/** One attempt at an event that the caller has claimed. It never throws. */
export type Attempt = (claim: Claim) => Promise<State>;

/** What Stripe tells of an object: by an event, or by the API, which names no event. */
export type Told = Omit<StripeEvent, 'id' | 'apiVersion' | 'livemode'> & {
  readonly id: string | null;
  /** Null where an object of the API says none: it is of the key's mode. */
  readonly livemode: boolean | null;
  /** Whether it was told a while ago, so that the object may have changed since. */
  readonly stale?: boolean;
};

/** What Stripe tells, turned into credits; the one way in which that happens. */
export interface Fulfilment {
  /** Carries out what is told, whoever told it, and however often. */
  readonly fulfil: (told: Told) => Promise<Verdict>;
  /** What a payment is worth, without any effect. */
  readonly appraise: (
    payment: Payment,
  ) => Promise<Worth | Exclude<Answer<never>, { readonly kind: 'answer' }>>;
  /** Whose it is; null when nobody knows yet. */
  readonly userOf: (payment: Payment) => Promise<string | null>;
}

/**
 * Carries events out. The inbox and the ledger need no common transaction: each step is harmless
 * when it is repeated, and the event is settled only after its effect is durable, so a crash
 * anywhere in between costs a repetition, never credits.
 */
export function createAttempt(
  { inbox, log }: Pick<ProcessOptions, 'inbox' | 'log'>,
  { fulfil }: Pick<Fulfilment, 'fulfil'>,
): Attempt {
  async function attempt(claim: Claim): Promise<State> {
    try {
      const verdict = await judgeOrPark(claim);
      const state = await inbox.settle(claim, verdict);
      const level = state === 'parked' ? 'warn' : 'info';
      const fields = { event: claim.id, attempt: claim.attempt, state, reason: verdict.reason };
      log[level](fields, 'Stripe event');
      const wakes = verdict.state === 'parked' ? [] : (verdict.wakes ?? []);
      if (wakes.length > 0) await inbox.wake(wakes);
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

/** See `Fulfilment`. What it cannot do yet is a verdict; what fails, such as the ledger, throws. */
export function createFulfilment(options: ProcessOptions): Fulfilment {
  const { inbox, users, payments, records, takeBack, api, post, sold, livemode, trustsReference } =
    options;

  async function fulfil(told: Told): Promise<Verdict> {
    const verdict = await judge(told);
    const session = endedPayment(told);
    if (session === null || verdict.state === 'parked') return verdict;
    return { ...verdict, wakes: [...(verdict.wakes ?? []), slowPaymentEnds(session)] };
  }

  async function judge(event: Told): Promise<Verdict> {
    const intent = interpret(event, livemode);
    switch (intent.kind) {
      case 'ignore':
        return { state: 'ignored', reason: intent.reason };
      case 'park':
        return parked(intent.reason);
      case 'unpaid':
        return awaitPayment(event, intent.session);
      case 'link':
        return link(intent.link);
      case 'pay':
        return pay(event.id, intent.payment);
      case 'names':
        return learnNames(intent.payment);
      case 'reversal':
        return takeBack.reverse(event, [intent.reversal]);
      case 'credit_note':
        return takeBack.reverseCreditNote(event, intent.id);
      case 'refunded_charge':
        return takeBack.reverseCharge(event, intent.charge);
      case 'forget':
        await users.forget(intent.customer);
        return { state: 'done' };
    }
  }

  /**
   * The payment's end may have come first, or have been lost; and a manual capture sends no event of
   * the session. So Stripe is asked for the session, whenever its event is attempted again.
   */
  async function awaitPayment(event: Told, session: string): Promise<Verdict> {
    const end = await inbox.settledType(session, ENDS_OF_SLOW_PAYMENT);
    if (end !== null) return { state: 'ignored', reason: `it was unpaid; ${end} decided` };
    const [known] = await records.find([session]);
    if (known?.record) return { state: 'ignored', reason: 'it was unpaid, and was paid since' };
    const ended = slowPaymentEnds(session);
    if (event.stale) {
      const answer = await fetchSession(api, session);
      switch (answer.kind) {
        case 'answer':
          return judge({ ...event, object: answer.value, stale: false });
        case 'unreachable':
          return parked(`unpaid: ${answer.reason}`, [ended, API_IS_BACK], FOR_RETURN);
        case 'unusable':
          return parked(`unpaid: ${answer.reason}`, [ended], FOR_BUYER);
      }
    }
    const why = whyNotPaid(event.object);
    if (why !== null) return { state: 'ignored', reason: why };
    const reason = 'unpaid: waits for checkout.session.async_payment_succeeded or _failed';
    return parked(reason, [ended], FOR_BUYER);
  }

  async function link(told: Link): Promise<Verdict> {
    const { session, subscription, customer } = told;
    const named = (await sold.intentOf({ intent: session }))?.userId ?? told.userId;
    const userId = named ?? (trustsReference ? await referredUser(told) : null);
    if (userId === null) {
      return { state: 'ignored', reason: 'it names no user; its invoice decides' };
    }
    // Whoever put a name into an address may have the subscription, not the user's portal.
    const stripeIds = [named && customer, subscription].filter((id) => id !== null);
    const foreign = await users.link(userId, stripeIds);
    await inbox.wake(stripeIds.map(userIsKnown));
    if (foreign.length === 0) return { state: 'done' };
    return { state: 'done', reason: `another user already owns ${foreign.join(' and ')}` };
  }

  /** By a reference, unless the customer or the subscription is known already. */
  async function referredUser({ reference, subscription, customer }: Link) {
    return (await users.find(subscription, customer)) === null ? reference : null;
  }

  /** What this server wrote outranks what the seller wrote, and that what a buyer can write. */
  async function userOf(payment: Payment): Promise<string | null> {
    const { userId, subscription, customer, reference } = payment;
    return (
      (await sold.intentOf(payment))?.userId ??
      userId ??
      (await users.find(subscription, customer)) ??
      (trustsReference ? reference : null)
    );
  }

  async function pay(eventId: string | null, payment: Payment): Promise<Verdict> {
    const intent = await sold.intentOf(payment);
    const worth = await worthUnder(intent, payment);
    switch (worth.kind) {
      case 'unreachable':
        return parked(worth.reason, [API_IS_BACK], FOR_RETURN);
      case 'nothing':
        return giveNothing(payment, worth.reason);
      case 'unusable':
        return parked(worth.reason);
      case 'unknown_price':
        return parked(`unknown price ${worth.price}`, [priceIsKnown(worth.price)]);
      case 'grant':
        return payment.manual
          ? grantUnlessCheckout(eventId, payment, worth)
          : grant(eventId, payment, worth);
    }
  }

  /** The invoice of a checkout is its receipt: the session grants, and says to whom. */
  async function grantUnlessCheckout(
    eventId: string | null,
    payment: Payment,
    worth: Extract<Worth, { kind: 'grant' }>,
  ): Promise<Verdict> {
    const session = await fetchCheckout(api, payment);
    if (session.kind === 'unreachable') return parked(session.reason, [API_IS_BACK], FOR_RETURN);
    if (session.kind === 'unusable') return parked(session.reason);
    if (session.value === null) return grant(eventId, payment, worth);
    const aliases = [payment.key, ...payment.aliases];
    const { wakes } = await learnNames({ key: session.value, aliases });
    return { state: 'ignored', reason: `the checkout session ${session.value} grants`, wakes };
  }

  /** Under the terms of its purchase intent, where it has one. */
  async function worthUnder(intent: PurchaseIntent | null, payment: Payment) {
    const read = await linesOf(payment, intent);
    if (read.kind !== 'answer') return read;
    const terms = await sold.termsOf(pricesOf(read.value), intent);
    return worthOf(payment, read.value, terms);
  }

  async function linesOf(
    payment: Payment,
    intent: PurchaseIntent | null,
  ): Promise<Answer<readonly Line[]>> {
    const known = payment.lines ?? (intent && linesOfIntent(intent, payment));
    return known ? { kind: 'answer', value: known } : fetchLines(api, payment.key);
  }

  async function grant(
    stripeEventId: string | null,
    payment: Payment,
    { grants }: Extract<Worth, { kind: 'grant' }>,
  ): Promise<Verdict> {
    const { key, aliases, subscription, customer } = payment;
    const userId = await userOf(payment);
    if (userId === null) {
      const stripeIds = [subscription, customer].filter((id) => id !== null);
      return parked('unknown user', stripeIds.map(userIsKnown));
    }
    const grantKey = await payments.claim(key, aliases);
    const keys = { grantKey, stripeEventId, idempotencyKey: null };
    const outcome = await post({ kind: 'grant', userId, actor: 'stripe', grants, ...keys });
    if (!outcome.ok) return parked(`the ledger refuses: ${outcome.refusal.code}`);
    // The user whom the entry names: a replay may have been granted to another one.
    const { userId: owner } = outcome.entry;
    const wakes = await record(grantKey, payment, { outcome: 'granted', userId: owner });
    if (!outcome.replayed) return { state: 'done', wakes };
    return grantKey === key
      ? { state: 'done', reason: 'it had been granted before', wakes }
      : {
          state: 'ignored',
          reason: `the same payment as ${grantKey}, which has been granted`,
          wakes,
        };
  }

  async function giveNothing(payment: NamedPayment, reason: string): Promise<Verdict> {
    const owner = await payments.claim(payment.key, payment.aliases);
    const wakes = await record(owner, payment, { outcome: 'nothing', reason });
    return { state: 'ignored', reason, wakes };
  }

  /** Recorded first, then held against the reversals on file; those file first, and then look. */
  async function record(key: string, { money }: NamedPayment, what: PaymentOutcome) {
    await records.record(key, money, what);
    return takeBack.catchUp(key);
  }

  async function learnNames({ key, aliases }: Pick<NamedPayment, 'key' | 'aliases'>) {
    const owner = await payments.claim(key, aliases);
    return { state: 'done', wakes: await takeBack.catchUp(owner) } as const;
  }

  return {
    fulfil,
    appraise: async (payment) => worthUnder(await sold.intentOf(payment), payment),
    userOf,
  };
}

/** Why a completed session will not be paid any more; null when it may be, or nobody was asked. */
function whyNotPaid(session: Json): string | null {
  switch (at(session, 'payment_intent', 'status')) {
    case 'canceled':
      return 'its payment was canceled';
    // To complete it the buyer had named a method, which has failed since; the buyer must order anew.
    case 'requires_payment_method':
      return 'its payment failed';
    default:
      return null;
  }
}

/** The session of which this tells that its slow payment has ended: by an event, or as it is now. */
function endedPayment({ id, type, object }: Told): string | null {
  const ends =
    id === null ? type.startsWith('checkout.session.') : ENDS_OF_SLOW_PAYMENT.includes(type);
  return ends ? idOf(object) : null;
}
