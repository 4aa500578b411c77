/**
 * What Stripe's objects say, in one form for all API versions. An endpoint keeps its version for
 * ever, so both generations of invoices arrive: up to 2025-02-24.acacia, and from 2025-03-31.basil
 * on. Unknown fields and values are tolerated; a field that decides about money and cannot be
 * read makes the whole object unusable, with the reason, so that its event is parked.
 * @see https://docs.stripe.com/changelog/basil
 */

import { LAST_SECOND } from './event.ts';
import { at, idOf, isId, isObject, type Json, wholeNumber } from './json.ts';
import { netOf, totalOf } from './line-amounts.ts';
import { type Paid, readInvoiceMoney, readSessionMoney } from './money.ts';

/** What a metadata field says: the user, nothing, or something that no user id can be. */
type UserClaim = { readonly userId: string | null } | { readonly unusable: string };

export interface Session {
  readonly id: string;
  /** `payment`, `subscription`, `setup`, or what Stripe adds later. */
  readonly mode: string;
  /** `paid`, `unpaid`, `no_payment_required`, or what Stripe adds later. */
  readonly paymentStatus: string;
  /** `open`, `complete`, `expired`; null in what an older endpoint sends. */
  readonly status: string | null;
  readonly customer: string | null;
  readonly subscription: string | null;
  readonly user: UserClaim;
  /** `client_reference_id`, which the buyer of a Payment Link can set in the address. */
  readonly reference: string | null;
  /** The payment's other names: its pi_ and, with invoice_creation, its in_. */
  readonly aliases: readonly string[];
  /** Null when it cannot be told; all of it is paid unless the session was asked for and says less. */
  readonly money: Paid | null;
  /** Whether a coupon took something off, or may have. */
  readonly discounted: boolean;
}

export interface Invoice {
  readonly id: string;
  readonly status: string;
  readonly billingReason: string | null;
  readonly customer: string | null;
  /** The subscription that it is for; null for manual and one-off invoices. */
  readonly subscription: string | null;
  readonly user: UserClaim;
  /** The purchase intent with which its subscription began. */
  readonly intent: string | null;
  /**
   * The payment's other names, each pi_ before its ch_: from basil on only when `payments` is
   * expanded.
   */
  readonly aliases: readonly string[];
  /** Null when it cannot be told. */
  readonly money: Paid | null;
  /** Read, but not judged: an invoice that grants nothing need not have readable ones. */
  readonly lines: Read<readonly Line[]>;
  /** False when the payload holds only the first lines. */
  readonly linesComplete: boolean;
}

/**
 * What a line cost: something; nothing, because of a discount; nothing without one, as in a trial;
 * or less than nothing.
 */
type Cost = 'paid' | 'free' | 'trial' | 'credit';

/** In seconds since 1970. */
export interface Period {
  readonly start: number;
  readonly end: number;
}

/** One line of a session or an invoice. */
export interface Line {
  /** Null when it has none, or Stripe was not asked for it. */
  readonly id: string | null;
  /** Null when it has no price, as an item that was made from an amount. */
  readonly price: string | null;
  readonly quantity: number | null;
  /** Null when it cannot be told. */
  readonly cost: Cost | null;
  /** What an invoice's line cost, tax included; null on a session's, and when it cannot be told. */
  readonly total: number | null;
  readonly proration: boolean;
  /** What an invoice's line is for; null on a session's, and when it cannot be read. */
  readonly period: Period | null;
}

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string };

const unusable = (problem: string) => ({ ok: false, problem }) as const;

/** Reads a checkout.session object. It carries no line items. */
export function readSession(object: Json): Read<Session> {
  const id = grantKey(object, 'cs_');
  if (id === null) return unusable('the session has no usable id');
  const [mode, paymentStatus] = [at(object, 'mode'), at(object, 'payment_status')];
  if (!isId(mode)) return unusable('the session has no mode');
  if (!isId(paymentStatus)) return unusable('the session has no payment_status');
  const customer = idOf(at(object, 'customer'));
  const subscription = idOf(at(object, 'subscription'));
  const user = readUser(at(object, 'metadata', 'user_id'));
  const aliases = ids(at(object, 'payment_intent'), at(object, 'invoice'));
  const money = readSessionMoney(object);
  const status = idOf(at(object, 'status'));
  const discounted = at(object, 'total_details', 'amount_discount') !== 0;
  const told = at(object, 'client_reference_id');
  const who = { customer, subscription, user, reference: isId(told) ? told : null };
  return {
    ok: true,
    value: { id, mode, paymentStatus, status, ...who, aliases, money, discounted },
  };
}

/** Reads an invoice object of either generation, with the lines that came with it. */
export function readInvoice(object: Json): Read<Invoice> {
  const id = grantKey(object, 'in_');
  if (id === null) return unusable('the invoice has no usable id');
  const [status, reason] = [at(object, 'status'), at(object, 'billing_reason')];
  if (!isId(status)) return unusable('the invoice has no status');
  const details = at(object, 'parent', 'subscription_details');
  const subscription = at(details, 'subscription') ?? at(object, 'subscription');
  // An invoice's own says whose it is only where no subscription does.
  const metadata =
    at(details, 'metadata') ??
    at(object, 'subscription_details', 'metadata') ??
    at(idOf(subscription) === null ? object : subscription, 'metadata');
  return {
    ok: true,
    value: {
      id,
      status,
      billingReason: isId(reason) ? reason : null,
      customer: idOf(at(object, 'customer')),
      subscription: idOf(subscription),
      user: readUser(at(metadata, 'user_id')),
      intent: idOf(at(metadata, 'purchase_intent')),
      aliases: ids(at(object, 'payment_intent'), at(object, 'charge'), ...paymentsOf(object)),
      money: readInvoiceMoney(object),
      lines: readLines(at(object, 'lines', 'data'), readInvoiceLine),
      linesComplete: at(object, 'lines', 'has_more') !== true,
    },
  };
}

/**
 * Reads a line item of a checkout session, as the API lists it. The session is paid as a whole,
 * so a line counts as paid unless its amounts show that it was free. A one-off order has no trial:
 * a price of 0 is free like one that was discounted to 0.
 */
export function readSessionLine(line: Json): Line {
  const subtotal = wholeNumber(at(line, 'amount_subtotal'));
  const discount = wholeNumber(at(line, 'amount_discount')) ?? 0;
  return {
    id: idOf(line),
    price: readPriceId(at(line, 'price')),
    quantity: wholeNumber(at(line, 'quantity')),
    cost: subtotal === null || subtotal - discount > 0 ? 'paid' : 'free',
    total: null,
    proration: false,
    period: null,
  };
}

/** Reads a line of an invoice, in either generation's shape. */
export function readInvoiceLine(line: Json): Line {
  return {
    id: idOf(line),
    price: readPriceId(
      at(line, 'pricing', 'price_details', 'price') ?? at(line, 'price') ?? at(line, 'plan'),
    ),
    quantity: wholeNumber(at(line, 'quantity')),
    cost: costOf(wholeNumber(at(line, 'amount')), netOf(line)),
    total: totalOf(line),
    proration: [
      at(line, 'proration'),
      at(line, 'parent', 'subscription_item_details', 'proration'),
      at(line, 'parent', 'invoice_item_details', 'proration'),
    ].includes(true),
    period: readPeriod(at(line, 'period')),
  };
}

/** A price that cannot be read is one that no catalogue knows: its payment waits, like any such. */
function readPriceId(price: unknown): string | null {
  return price == null ? null : (idOf(price) ?? 'that cannot be read');
}

function costOf(gross: number | null, net: number | null): Cost | null {
  if (gross === null || net === null) return null;
  if (net > 0) return 'paid';
  if (gross === 0) return 'trial';
  return gross > 0 ? 'free' : 'credit';
}

function readPeriod(period: unknown): Period | null {
  const [start, end] = [at(period, 'start'), at(period, 'end')].map(wholeNumber);
  if (start == null || end == null || start < 0 || end < start || end > LAST_SECOND) return null;
  return { start, end };
}

/** Reads a list of lines with the reader of its kind. */
export function readLines(data: unknown, read: (line: Json) => Line): Read<readonly Line[]> {
  if (!Array.isArray(data) || !data.every(isObject)) return unusable('its lines cannot be read');
  return { ok: true, value: data.map(read) };
}

/** What paid an invoice, where it is expanded; others were begun, and failed or were canceled. */
function paymentsOf(invoice: Json): unknown[] {
  const payments = at(invoice, 'payments', 'data');
  if (!Array.isArray(payments)) return [];
  const paid = payments.filter((one) => at(one, 'status') === 'paid');
  const isOfNone = (one: unknown) => at(one, 'payment', 'payment_intent') == null;
  // A charge without a payment intent comes first: what follows an intent is that intent's.
  return [...paid.filter(isOfNone), ...paid.filter((one) => !isOfNone(one))].flatMap((one) => [
    at(one, 'payment', 'payment_intent'),
    at(one, 'payment', 'charge'),
  ]);
}

/** Stripe keeps a metadata key with an empty value out, so an empty text is as good as none. */
function readUser(value: unknown): UserClaim {
  if (value === undefined || value === null || value === '') return { userId: null };
  return isId(value) ? { userId: value } : { unusable: 'metadata.user_id is not a user id' };
}

function grantKey(object: Json, prefix: 'cs_' | 'in_'): string | null {
  const id = at(object, 'id');
  return isId(id) && id.startsWith(prefix) ? id : null;
}

export function ids(...values: readonly unknown[]): readonly string[] {
  return [...new Set(values.map(idOf).filter((id) => id !== null))];
}
