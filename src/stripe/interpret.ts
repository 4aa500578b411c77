import type { StripeEvent } from './event.ts';
import type { Purchase } from './grants.ts';
import { type Invoice, type Line, readInvoice, readSession, type Session } from './shapes.ts';

/** What an event asks for, before anything has been looked up. */
export type Intent =
  | { readonly kind: 'ignore'; readonly reason: string }
  | { readonly kind: 'park'; readonly reason: string }
  /** Kept for a release that can carry it out. */
  | { readonly kind: 'postpone'; readonly reason: string; readonly waitsFor: string }
  /** A slow payment, whose end another event tells. */
  | { readonly kind: 'unpaid'; readonly session: string }
  | { readonly kind: 'link'; readonly userId: string; readonly stripeIds: readonly string[] }
  | { readonly kind: 'pay'; readonly payment: Payment };

/** A payment that has arrived, to be turned into credits under its grant key. */
export interface Payment extends Purchase {
  readonly aliases: readonly string[];
  /** Null when only the subscription or the customer can tell. */
  readonly userId: string | null;
  readonly subscription: string | null;
  readonly customer: string | null;
  /** Null when they must be fetched: a session comes without, an invoice with the first few. */
  readonly lines: readonly Line[] | null;
}

const ignore = (reason: string): Intent => ({ kind: 'ignore', reason });
const park = (reason: string): Intent => ({ kind: 'park', reason });

/**
 * What to do about an event: the table of what grants, as code. Pure.
 * @param livemode the mode of the configured key: a test event must never give real credits
 */
export function interpret(event: StripeEvent, livemode: boolean): Intent {
  if (event.account !== null) return ignore('it happened in a Connect account');
  if (event.livemode !== livemode) {
    return ignore(`it is a ${mode(event.livemode)} event, but the key is for ${mode(livemode)}`);
  }
  switch (event.type) {
    case 'checkout.session.completed':
    case 'checkout.session.async_payment_succeeded':
      return ofSession(event);
    case 'checkout.session.async_payment_failed':
      return ignore('the payment failed');
    case 'invoice.paid':
      return ofInvoice(event);
    default:
      return isReversal(event.type)
        ? {
            kind: 'postpone',
            reason: 'reversals arrive with a later release',
            waitsFor: 'release:reversals',
          }
        : ignore('events of this type have no effect');
  }
}

const mode = (livemode: boolean) => (livemode ? 'live mode' : 'test mode');

/** The events that tell how a slow payment ended. */
export const ENDS_OF_SLOW_PAYMENT: readonly string[] = [
  'checkout.session.async_payment_succeeded',
  'checkout.session.async_payment_failed',
];

/** Refunds, disputes and credit notes, in old and new endpoint versions. */
function isReversal(type: string): boolean {
  return /^(refund|charge\.refund(ed)?|charge\.dispute|credit_note)(\.|$)/.test(type);
}

function ofSession(event: StripeEvent): Intent {
  const read = readSession(event.object);
  if (!read.ok) return park(read.problem);
  const session = read.value;
  if ('unusable' in session.user) return park(session.user.unusable);
  switch (session.mode) {
    case 'payment':
      return ofPayment(session, session.user.userId, event.type);
    case 'subscription':
      return ofSubscription(session, session.user.userId);
    default:
      return ignore(`checkout mode ${session.mode} buys nothing`);
  }
}

function ofPayment(session: Session, userId: string | null, type: string): Intent {
  const { id: key, aliases, customer, paymentStatus } = session;
  switch (paymentStatus) {
    case 'paid':
      return {
        kind: 'pay',
        payment: {
          key,
          category: 'purchase',
          reason: 'Purchase',
          aliases,
          userId,
          subscription: null,
          customer,
          lines: null,
        },
      };
    case 'no_payment_required':
      return ignore('it was free of charge, and free orders give no credits');
    case 'unpaid':
      if (type !== 'checkout.session.completed') break;
      return { kind: 'unpaid', session: key };
  }
  return park(`${type} with payment_status ${paymentStatus}`);
}

/** Its invoice grants; the session only tells whose customer and subscription they are. */
function ofSubscription({ customer, subscription }: Session, userId: string | null): Intent {
  if (userId === null) return ignore('it names no user; its invoice decides');
  const stripeIds = [customer, subscription].filter((id) => id !== null);
  return { kind: 'link', userId, stripeIds };
}

const RECURRING = [
  'subscription_create',
  'subscription_cycle',
  'subscription_threshold',
  'subscription_update',
];

function ofInvoice(event: StripeEvent): Intent {
  const read = readInvoice(event.object);
  if (!read.ok) return park(read.problem);
  const invoice = read.value;
  const { status, billingReason, subscription } = invoice;
  if (status !== 'paid') return ignore(`the invoice is ${status}, not paid`);
  if (subscription === null || billingReason === 'manual') {
    return ignore('manual and one-off invoices give no credits');
  }
  if (billingReason !== null && !RECURRING.includes(billingReason)) {
    return park(`billing_reason ${billingReason} is not known`);
  }
  const { user, lines, linesComplete } = invoice;
  if ('unusable' in user) return park(user.unusable);
  if (!lines.ok) return park(lines.problem);
  const complete = linesComplete ? lines.value : null;
  return { kind: 'pay', payment: ofSubscriptionInvoice(invoice, user.userId, complete) };
}

function ofSubscriptionInvoice(
  { id: key, aliases, subscription, customer }: Invoice,
  userId: string | null,
  lines: readonly Line[] | null,
): Payment {
  return {
    key,
    category: 'included',
    reason: 'Subscription',
    aliases,
    userId,
    subscription,
    customer,
    lines,
  };
}
