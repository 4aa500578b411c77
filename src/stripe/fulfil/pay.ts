import type { Command, Grant, Outcome } from '../../ledger/core/command.ts';
import { sum } from '../../sum.ts';
import type { Answer, NoAnswer, StripeApi } from '../api/api.ts';
import { fetchLines } from '../api/lines.ts';
import { fetchCheckout } from '../api/payments.ts';
import {
  parked,
  parkedWithout,
  priceIsKnown,
  userIsKnown,
  type Verdict,
} from '../inbox/verdicts.ts';
import type { AcceptedPayments } from '../payments/accepted-payments.ts';
import type { LearnNames, PaymentNames } from '../payments/payment-names.ts';
import type { PaymentOutcome, PaymentRecords } from '../payments/payment-records.ts';
import type { PurchaseIntent } from '../payments/purchase-intents.ts';
import type { Users } from '../payments/users.ts';
import type { TakeBack } from '../reversals/take-back.ts';
import type { Amounts } from '../shapes/line-amounts.ts';
import type { Line } from '../shapes/shapes.ts';
import { pricesOf, type Worth, worthOf } from './grants.ts';
import type { NamedPayment, Payment } from './interpretation.ts';
import { linesOfIntent, type Sold } from './sold.ts';

export interface PayOptions {
  readonly users: Pick<Users, 'find'>;
  readonly paymentNames: PaymentNames;
  readonly learnNames: LearnNames;
  readonly acceptedPayments: AcceptedPayments;
  readonly records: Pick<PaymentRecords, 'record' | 'find'>;
  readonly takeBack: Pick<TakeBack, 'catchUp'>;
  readonly api: StripeApi;
  readonly post: (command: Command) => Promise<Outcome>;
  readonly sold: Sold;
  /** Whether a `client_reference_id` says whose a payment is, where nothing else does. */
  readonly trustsReference: boolean;
}

/** A payment that has arrived, turned into credits. */
export interface Pay {
  /**
   * Grants what the payment is worth, or records that it gives nothing; repeats are harmless. What
   * an operator has accepted to stay without credits is ignored, for the reason that was given.
   */
  readonly pay: (stripeEventId: string | null, payment: Payment) => Promise<Verdict>;
  /** What a payment is worth, without any effect. */
  readonly appraise: (payment: Payment) => Promise<Worth | NoAnswer>;
  /** Whose it is; null when nobody knows yet. */
  readonly userOf: (payment: Payment) => Promise<string | null>;
  /** Files further names of a payment, granted or not. */
  readonly learnNames: (payment: Pick<NamedPayment, 'key' | 'aliases'>) => Promise<Verdict>;
}

export function createPay(options: PayOptions): Pay {
  const { users, paymentNames, acceptedPayments, records, takeBack, api, post, sold } = options;

  async function pay(eventId: string | null, payment: Payment): Promise<Verdict> {
    const intent = await sold.intentOf(payment);
    const worth = await worthUnder(intent, payment);
    switch (worth.kind) {
      case 'unreachable':
      case 'unusable':
        return parkedWithout(worth);
      case 'nothing':
        return giveNothing(payment, worth.reason);
      case 'unknown_price':
        return parked(`unknown price ${worth.price}`, [priceIsKnown(worth.price)]);
      case 'grant':
        return payment.manual && intent === null
          ? grantUnlessCheckout(eventId, payment, worth)
          : grant(eventId, ofIntent(intent, payment), worth);
    }
  }

  /** The invoice of a checkout is its receipt: the session grants, and says to whom. */
  async function grantUnlessCheckout(
    eventId: string | null,
    payment: Payment,
    worth: Extract<Worth, { kind: 'grant' }>,
  ): Promise<Verdict> {
    const session = await fetchCheckout(api, payment);
    if (session.kind !== 'answer') return parkedWithout(session);
    if (session.value === null) return grant(eventId, payment, worth);
    const aliases = [payment.key, ...payment.aliases];
    const learned = await learnNames({ key: session.value, aliases });
    if (learned.state === 'parked') return learned;
    return { ...learned, state: 'ignored', reason: `the checkout session ${session.value} grants` };
  }

  /** Under the terms of its purchase intent, where it has one. */
  async function worthUnder(intent: PurchaseIntent | null, payment: Payment) {
    const read = await linesOf(payment, intent);
    if (read.kind !== 'answer') return read;
    const terms = await sold.termsOf(pricesOf(read.value), intent);
    return worthOf(ofIntent(intent, payment), read.value, terms);
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
    { grants, lineAmounts }: Extract<Worth, { kind: 'grant' }>,
  ): Promise<Verdict> {
    const { key, aliases, subscription, customer } = payment;
    const userId = (await findUser(payment)) ?? (await ownerOf(payment.key));
    if (userId === null) {
      const stripeIds = [key, ...aliases, subscription, customer].filter((id) => id !== null);
      return parked('unknown user', stripeIds.map(userIsKnown));
    }
    // Both at once, on one connection: so the second costs no further wait.
    const [grantKey, note] = await Promise.all([
      paymentNames.claim(key, aliases),
      acceptedPayments.noteOf([key, ...aliases]),
    ]);
    if (note !== null) return { state: 'ignored', reason: note };
    const keys = { grantKey, stripeEventId, idempotencyKey: null };
    const outcome = await post({ kind: 'grant', userId, actor: 'stripe', grants, ...keys });
    if (!outcome.ok) return parked(`the ledger refuses: ${outcome.refusal.code}`);
    // The user whom the entry names: a replay may have been granted to another one.
    const { userId: owner, createdAt } = outcome.entry;
    const what = { outcome: 'granted', userId: owner } as const;
    const recorded = await record(grantKey, payment, what, lineAmounts);
    if (recorded.state === 'parked') return recorded;
    if (!outcome.replayed) {
      const expired = whatHadExpired(grants, createdAt);
      return expired === null ? recorded : { ...recorded, reason: `granted; ${expired}` };
    }
    if (grantKey === key) return { ...recorded, reason: 'it had been granted before' };
    const reason = `the same payment as ${grantKey}, which has been granted`;
    return { ...recorded, state: 'ignored', reason };
  }

  /** Of the session whose receipt an invoice is, that gives nothing by itself, it says nothing. */
  async function giveNothing(payment: Payment, reason: string): Promise<Verdict> {
    const key = await paymentNames.claim(payment.key, payment.aliases);
    const isReceipt = payment.manual && key !== payment.key;
    const settled = isReceipt
      ? await takeBack.catchUp(key)
      : await record(key, payment, { outcome: 'nothing', reason });
    return settled.state === 'parked' ? settled : { ...settled, state: 'ignored', reason };
  }

  /** Recorded first, then held against the reversals on file; those file first, and then look. */
  async function record(
    key: string,
    { money }: NamedPayment,
    what: PaymentOutcome,
    lineAmounts: Amounts | null = null,
  ) {
    await records.record(key, money, what, lineAmounts);
    return takeBack.catchUp(key);
  }

  async function learnNames({ key, aliases }: Pick<NamedPayment, 'key' | 'aliases'>) {
    return takeBack.catchUp(await options.learnNames(key, aliases));
  }

  /** Where no purchase intent says it: what the seller wrote outranks what a buyer can write. */
  async function findUser(payment: Payment): Promise<string | null> {
    const { key, aliases, userId, subscription, customer, reference } = payment;
    return (
      userId ??
      (await users.find({ payment: key, subscription, customer }, aliases)) ??
      (options.trustsReference ? reference : null)
    );
  }

  /** To whom it was granted, by what told more of it than this does. */
  async function ownerOf(key: string): Promise<string | null> {
    const [known] = await records.find([key]);
    return known?.record?.outcome === 'granted' ? known.record.userId : null;
  }

  return {
    pay,
    appraise: async (payment) => worthUnder(await sold.intentOf(payment), payment),
    userOf: async (payment) => findUser(ofIntent(await sold.intentOf(payment), payment)),
    learnNames,
  };
}

/** What there is to say of a grant whose time was over when it came, in milliseconds since 1970. */
function whatHadExpired(grants: readonly Grant[], at: number): string | null {
  const sumOf = (some: readonly Grant[]) => sum(some.map(({ amount }) => amount));
  const gone = sumOf(grants.filter(({ expiresAt }) => expiresAt !== null && expiresAt <= at));
  const all = sumOf(grants);
  if (gone === 0) return null;
  const what = gone === all ? 'its credits' : `${gone} of its ${all} credits`;
  return `${what} had expired by then`;
}

/**
 * The user of its purchase intent, which this server wrote, outranks all that Stripe tells. An
 * invoice that has one is an auto top-up's: it was bought, and not written by hand.
 */
function ofIntent(intent: PurchaseIntent | null, payment: Payment): Payment {
  if (intent === null) return payment;
  const bought = payment.manual && { manual: false, reason: 'Auto top-up' };
  return { ...payment, ...bought, userId: intent.userId };
}
