import type { Told } from '../shapes/event.ts';
import { at, idOf, type Json } from '../shapes/json.ts';
import { paymentTime } from '../shapes/payment-time.ts';
import {
  isCreditNotePartial,
  isReversal,
  type Reversal,
  readCreditNote,
  readDispute,
  readRefund,
  readRefundedCharge,
} from '../shapes/reversal-shapes.ts';
import { ids, type Read, readInvoice, readSession, type Session } from '../shapes/shapes.ts';
import type { Interpretation } from './interpretation.ts';

const ignore = (reason: string): Interpretation => ({ kind: 'ignore', reason });
const park = (reason: string): Interpretation => ({ kind: 'park', reason });

/**
 * What to do about an event: the table of what grants, as code. Pure.
 * @param livemode the mode of the configured key: a test event must never give real credits
 */
export function interpret(event: Told, livemode: boolean): Interpretation {
  if (event.account !== null) return ignore('it happened in a Connect account');
  if (event.livemode !== null && event.livemode !== livemode) {
    return ignore(`it is a ${mode(event.livemode)} event, but the key is for ${mode(livemode)}`);
  }
  switch (event.type) {
    case 'checkout.session.completed':
    case 'checkout.session.async_payment_succeeded':
      return ofSession(event);
    case 'checkout.session.async_payment_failed':
      return ignore('the payment failed');
    case 'charge.captured':
      return ofEndedCapture(at(event.object, 'payment_intent'));
    case 'payment_intent.canceled':
      return ofEndedCapture(event.object);
    case 'invoice.paid':
      return ofInvoice(event);
    case 'invoice_payment.paid':
      return ofInvoicePayment(event.object);
    case 'customer.deleted':
      return ofDeletedCustomer(event.object);
    default:
      return isReversal(event) ? ofReversal(event) : ignore('events of this type have no effect');
  }
}

const mode = (livemode: boolean) => (livemode ? 'live mode' : 'test mode');

/** The events that tell how a slow payment ended. */
export const ENDS_OF_SLOW_PAYMENT: readonly string[] = [
  'checkout.session.async_payment_succeeded',
  'checkout.session.async_payment_failed',
];

function ofSession(event: Told): Interpretation {
  const read = readSession(event.object);
  if (!read.ok) return park(read.problem);
  const session = read.value;
  if ('unusable' in session.user) return park(session.user.unusable);
  switch (session.mode) {
    case 'payment':
      return ofPayment(session, session.user.userId, event);
    case 'subscription':
      return ofSubscription(session, session.user.userId);
    default:
      return ignore(`checkout mode ${session.mode} buys nothing`);
  }
}

function ofPayment(session: Session, userId: string | null, event: Told): Interpretation {
  const { id: key, aliases, customer, reference, paymentStatus, money, discounted } = session;
  const { type } = event;
  const paidAt = paymentTime(event);
  switch (paymentStatus) {
    case 'paid':
    case 'no_payment_required':
      if (money === null) return park('the session has no usable amount_total');
      if (paidAt === null) return park('the session does not tell when it was paid');
      return {
        kind: 'pay',
        payment: {
          key,
          category: 'purchase',
          reason: 'Purchase',
          free: paymentStatus === 'no_payment_required',
          freeLines: true,
          manual: false,
          paidAt,
          aliases,
          money,
          intent: key,
          discounted,
          userId,
          reference,
          subscription: null,
          customer,
          lines: null,
        },
      };
    case 'unpaid':
      if (type !== 'checkout.session.completed') break;
      return { kind: 'unpaid', session: key, aliases };
  }
  return park(`${type} with payment_status ${paymentStatus}`);
}

/** Unlike payment_intent.succeeded these are told of no other payment than one that may wait. */
function ofEndedCapture(paymentIntent: unknown): Interpretation {
  const intent = idOf(paymentIntent);
  return intent === null ? ignore('it names no payment intent') : { kind: 'capture_ended', intent };
}

/** Its invoice grants; the session only tells whose customer and subscription they are. */
function ofSubscription(
  { id: session, customer, subscription, reference }: Session,
  userId: string | null,
): Interpretation {
  return { kind: 'link', link: { session, userId, reference, subscription, customer } };
}

/**
 * Why Stripe writes an invoice of a subscription. `upcoming` is only a preview's; `manual` says that
 * somebody wrote it. Of `quote_accept` and `automatic_…` the documentation tells no more than the
 * name: so what costs something grants, as of any other, and nothing starts a period.
 */
const OF_SUBSCRIPTION = [
  'subscription_create',
  'subscription_cycle',
  'subscription_threshold',
  'subscription_update',
  'quote_accept',
  'automatic_pending_invoice_item_invoice',
  // Of before May 2018, when there was one for all.
  'subscription',
];

/**
 * Where lines that cost nothing may grant: once for each period. Changing plans back and forth in
 * a trial, or under a discount of 100 %, costs nothing either, and must not mint credits.
 */
const STARTS_PERIOD: readonly (string | null)[] = ['subscription_create', 'subscription_cycle'];

function ofInvoice(event: Told): Interpretation {
  const read = readInvoice(event.object);
  if (!read.ok) return park(read.problem);
  const invoice = read.value;
  const { status, billingReason, subscription } = invoice;
  if (status !== 'paid') return ignore(`the invoice is ${status}, not paid`);
  const { money, user, lines, linesComplete } = invoice;
  if (money === null) return park('the invoice has no usable total');
  const paidAt = paymentTime(event);
  if (paidAt === null) return park('the invoice does not tell when it was paid');
  const isManual = subscription === null || billingReason === 'manual';
  if (!isManual && billingReason !== null && !OF_SUBSCRIPTION.includes(billingReason)) {
    return park(
      `billing_reason ${billingReason} is not known: \`purser events retry\` it with a release ` +
        'that knows it, or `purser events ignore` it',
    );
  }
  if ('unusable' in user) return park(user.unusable);
  // Most manual invoices are none of Purser's: Stripe is asked for lines that cannot be read.
  if (!lines.ok && !isManual) return park(lines.problem);
  const { id: key, aliases, customer, intent } = invoice;
  return {
    kind: 'pay',
    payment: {
      ...(isManual ? { ...MANUAL, intent: key } : subscriptionTerms(billingReason, intent)),
      ...{ key, aliases, money, paidAt, subscription, customer },
      userId: user.userId,
      reference: null,
      free: false,
      discounted: true,
      lines: lines.ok && linesComplete ? lines.value : null,
    },
  };
}

/**
 * Of an invoice that somebody wrote, or an API call made; it may be the receipt of a checkout, or
 * an auto top-up's, which its purchase intent says.
 */
const MANUAL = {
  category: 'purchase',
  reason: 'Invoice',
  freeLines: false,
  manual: true,
} as const;

function subscriptionTerms(billingReason: string | null, intent: string | null) {
  return {
    category: 'included',
    reason: 'Subscription',
    freeLines: STARTS_PERIOD.includes(billingReason),
    manual: false,
    // Renewals are sold under the terms of their own time.
    intent: billingReason === 'subscription_create' ? intent : null,
  } as const;
}

/** How a renewal's payment intent becomes known: from basil on invoice.paid names none. */
function ofInvoicePayment(object: Json): Interpretation {
  const key = idOf(at(object, 'invoice'));
  const aliases = ids(at(object, 'payment', 'payment_intent'), at(object, 'payment', 'charge'));
  if (key === null || !key.startsWith('in_')) return park('it names no usable invoice');
  if (aliases.length === 0) return ignore('it was paid with neither payment intent nor charge');
  return { kind: 'names', payment: { key, aliases } };
}

function ofDeletedCustomer(object: Json): Interpretation {
  const customer = idOf(object);
  return customer === null ? park('the customer has no usable id') : { kind: 'forget', customer };
}

/** Refunds, disputes and credit notes, in old and new endpoint versions. */
function ofReversal({ type, object }: Told): Interpretation {
  if (type === 'charge.refunded') {
    const read = readRefundedCharge(object);
    return read.ok ? { kind: 'refunded_charge', charge: read.value } : park(read.problem);
  }
  const id = idOf(object);
  if (id !== null && type.startsWith('credit_note') && isCreditNotePartial(object)) {
    return { kind: 'credit_note', id };
  }
  const read = readReversalOf(type, object);
  if (!read.ok) return park(read.problem);
  if (read.value !== null) return { kind: 'reversal', reversal: read.value };
  return ignore(
    type.startsWith('credit_note')
      ? 'it gives nothing back beside its refunds'
      : "it returns what a customer's cash balance held, and no payment",
  );
}

function readReversalOf(type: string, object: Json): Read<Reversal | null> {
  if (type.startsWith('charge.dispute')) return readDispute(object, type);
  if (type.startsWith('credit_note')) return readCreditNote(object);
  return readRefund(object, type);
}
