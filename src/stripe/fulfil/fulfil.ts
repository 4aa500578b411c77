import type { StripeApi } from '../api/api.ts';
import { fetchSession, whyNeverPaid } from '../api/sessions.ts';
import type { Inbox } from '../inbox/inbox.ts';
import {
  FOR_BUYER,
  parked,
  parkedWithout,
  paymentIsKnown,
  slowPaymentEnds,
  userIsKnown,
  type Verdict,
} from '../inbox/verdicts.ts';
import type { PaymentRecords } from '../payments/payment-records.ts';
import type { Users } from '../payments/users.ts';
import type { TakeBack } from '../reversals/take-back.ts';
import type { Told } from '../shapes/event.ts';
import { idOf, type Json } from '../shapes/json.ts';
import { moneyTime } from '../shapes/payment-time.ts';
import { ENDS_OF_SLOW_PAYMENT, interpret } from './interpret.ts';
import type { Interpretation, Link } from './interpretation.ts';
import { createPay, type Pay, type PayOptions } from './pay.ts';

export interface FulfilmentOptions extends PayOptions {
  readonly inbox: Inbox;
  readonly users: Users;
  readonly records: PaymentRecords;
  readonly takeBack: TakeBack;
  readonly api: StripeApi;
  readonly livemode: boolean;
}

/** What Stripe tells, turned into credits; the one way in which that happens. */
export interface Fulfilment extends Pick<Pay, 'appraise' | 'userOf'> {
  /** Carries out what is told, whoever told it, and however often. */
  readonly fulfil: (told: Told) => Promise<Verdict>;
}

/** See `Fulfilment`. What it cannot do yet is a verdict; what fails, such as the ledger, throws. */
export function createFulfilment(options: FulfilmentOptions): Fulfilment {
  const { inbox, users, records, takeBack, api, sold, livemode, trustsReference } = options;
  const { pay, appraise, userOf, learnNames } = createPay(options);

  async function fulfil(told: Told): Promise<Verdict> {
    const verdict = await judge(told);
    const session = endedPayment(told);
    if (session === null || verdict.state === 'parked') return verdict;
    const ended = [slowPaymentEnds(session), paymentIsKnown(session)];
    return { ...verdict, wakes: [...(verdict.wakes ?? []), ...ended] };
  }

  async function judge(event: Told): Promise<Verdict> {
    const asked = interpret(event, livemode);
    switch (asked.kind) {
      case 'ignore':
        return { state: 'ignored', reason: asked.reason };
      case 'park':
        return parked(asked.reason);
      case 'unpaid':
        return awaitPayment(event, asked);
      case 'capture_ended':
        return {
          state: 'ignored',
          reason: 'what waits for the end of this payment is attempted again',
          wakes: [slowPaymentEnds(asked.intent)],
        };
      case 'link':
        return link(asked.link);
      case 'pay':
        return pay(event.id, asked.payment);
      case 'names':
        return learnNames(asked.payment);
      case 'reversal':
        return takeBack.reverse(event, [asked.reversal]);
      case 'credit_note':
        return takeBack.reverseCreditNote(event, asked.id);
      case 'refunded_charge':
        return takeBack.reverseCharge(event, asked.charge);
      case 'forget':
        await users.forget(asked.customer);
        return { state: 'done' };
    }
  }

  /**
   * The payment's end may have come first, or have been lost; and a manual capture sends no event of
   * the session. So Stripe is asked for the session, whenever its event is attempted again.
   */
  async function awaitPayment(
    event: Told,
    { session, aliases }: Extract<Interpretation, { kind: 'unpaid' }>,
  ): Promise<Verdict> {
    const end = await inbox.settledType(session, ENDS_OF_SLOW_PAYMENT);
    if (end !== null) return { state: 'ignored', reason: `it was unpaid; ${end} decided` };
    const [known] = await records.find([session]);
    if (known?.record) return { state: 'ignored', reason: 'it was unpaid, and was paid since' };
    const ended = [session, ...aliases].map(slowPaymentEnds);
    if (event.stale) {
      const answer = await fetchSession(api, session);
      if (answer.kind === 'answer') return judge(paidSince(event, answer.value));
      return parkedWithout({ ...answer, reason: `unpaid: ${answer.reason}` }, ended, FOR_BUYER);
    }
    const why = whyNeverPaid(event.object);
    if (why !== null) return { state: 'ignored', reason: why, wakes: [paymentIsKnown(session)] };
    return parked('unpaid: waits for the end of its payment', ended, FOR_BUYER);
  }

  async function link(told: Link): Promise<Verdict> {
    const { session, subscription, customer } = told;
    const named = (await sold.intentOf({ intent: session }))?.userId ?? told.userId;
    const userId = named ?? (await userOfSession(session)) ?? (await referredUser(told));
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

  /** By what an operator has said of it. */
  const userOfSession = (payment: string) =>
    users.find({ payment, subscription: null, customer: null });

  /** By a reference that counts, unless the customer or the subscription is known already. */
  async function referredUser({ reference, subscription, customer }: Link) {
    if (!trustsReference) return null;
    const known = await users.find({ payment: null, subscription, customer });
    return known === null ? reference : null;
  }

  return { fulfil, appraise, userOf };
}

/** The session as it is now. It was unpaid when its event was created: what was booked later paid it. */
function paidSince(event: Told, object: Json): Told {
  const booked = moneyTime(object) ?? 0;
  const created = booked >= event.created ? booked : Math.floor(Date.now() / 1000);
  return { ...event, created, object, stale: false };
}

/** The session of which this tells that its slow payment has ended: by an event, or as it is now. */
function endedPayment({ id, type, object }: Told): string | null {
  const ends =
    id === null ? type.startsWith('checkout.session.') : ENDS_OF_SLOW_PAYMENT.includes(type);
  return ends ? idOf(object) : null;
}
