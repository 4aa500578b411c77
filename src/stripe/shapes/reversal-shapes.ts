/**
 * What Stripe says of money that goes back, in one form for all API versions: refunds, disputes
 * and credit notes. Each is a fact about a payment, never an amount to book: what follows from all
 * of them together is worked out under the account's lock.
 */

import { sum } from '../../sum.ts';
import type { StripeEvent } from './event.ts';
import { at, idOf, isId, isObject, type Json, wholeNumber } from './json.ts';
import { type Amounts, byId, creditedLines, hasAllLines } from './line-amounts.ts';
import { readMoney } from './money.ts';
import { isRelease } from './release.ts';
import { ids, type Read } from './shapes.ts';

/** A refund, dispute or credit note as an event tells it. */
export interface Reversal {
  /** `re_…`, `dp_…`, `du_…` or `cn_…`. */
  readonly id: string;
  readonly kind: 'refund' | 'dispute' | 'credit_note';
  /** How it names its payment, the surest first: pi_, ch_ or in_. */
  readonly names: readonly [string, ...string[]];
  /** In the currency's smallest unit. */
  readonly amount: number;
  readonly currency: string;
  readonly status: string;
  /** Whether the money has gone back; null when this does not decide it. */
  readonly live: boolean | null;
  /** Of a refund: whether it gives back nothing that was paid; null when that is not told. */
  readonly isRelease: boolean | null;
  /** Of a credit note: what it gives back of which lines (il_…); null when it names none. */
  readonly lineAmounts: Amounts | null;
  /** Of a credit note: the refunds (re_…) that pay it back, beside its own amount. */
  readonly refundAmounts: Amounts | null;
}

const unusable = (problem: string) => ({ ok: false, problem }) as const;

/** These end a refund, whatever was or will be told of it. */
const ENDED_REFUND = ['failed', 'canceled'];
/** Of these the end is still to be told. */
export const PENDING_REFUND: readonly string[] = ['pending', 'requires_action'];
/** The status of what is no refund, in no word of Stripe's. */
export const RELEASED = 'released';
const LIVE_REFUND = [...PENDING_REFUND, 'succeeded'];

/** These end a dispute without loss. */
const OVER_DISPUTE = ['won', 'warning_closed', 'charge_refunded', 'prevented'];
/** Of these nothing more is expected, though what was lost may still be won. */
export const ENDED_DISPUTE: readonly string[] = [...OVER_DISPUTE, 'lost'];

/**
 * Reads a refund object. `refund.failed` decides by itself: its snapshot may still say succeeded.
 * Refunds of old API versions may have no status; they have succeeded. Null when it gives nothing
 * back of a payment: when it returns what a customer's cash balance held (`origin:
 * customer_balance`), which had paid for nothing.
 * @see https://docs.stripe.com/payments/customer-balance/refunding
 */
export function readRefund(object: Json, type: string): Read<Reversal | null> {
  const told = at(object, 'status') ?? 'succeeded';
  const status = type === 'refund.failed' ? 'failed' : told;
  if (!isId(status)) return unusable('the refund has no usable status');
  if (![...LIVE_REFUND, ...ENDED_REFUND].includes(status)) {
    return unusable(`the refund's status ${status} is not known`);
  }
  if (!isOfPayment(object)) return { ok: true, value: null };
  const isEnded = ENDED_REFUND.includes(status);
  const read = readReversal(object, 'refund', status, !isEnded);
  if (!read.ok || isEnded) return read;
  const refund = { ...read.value, isRelease: isRelease(object) };
  return { ok: true, value: refund.isRelease ? asRelease(refund) : refund };
}

/** A refund that turned out to be a release: it is none, and takes nothing. */
export function asRelease(refund: Reversal): Reversal {
  return { ...refund, status: RELEASED, live: false, isRelease: true };
}

/** Whether a refund names what it refunds. */
function isOfPayment(refund: Json): boolean {
  return at(refund, 'payment_intent') != null || at(refund, 'charge') != null;
}

/** Reads a dispute object. The event's type decides, not the status in its snapshot. */
export function readDispute(object: Json, type: string): Read<Reversal> {
  const status = at(object, 'status');
  if (!isId(status)) return unusable('the dispute has no usable status');
  return readReversal(object, 'dispute', status, isDisputeLive(type, status));
}

function isDisputeLive(type: string, status: string): boolean | null {
  switch (type) {
    case 'charge.dispute.funds_withdrawn':
      return true;
    case 'charge.dispute.funds_reinstated':
      return false;
    case 'charge.dispute.closed':
      if (status === 'lost') return true;
      return OVER_DISPUTE.includes(status) ? false : null;
    default:
      // Opened or changed, an inquiry too: no money has moved.
      return null;
  }
}

/** Reads a dispute as the API shows it now. */
export function readDisputeNow(dispute: Json): Read<Reversal> {
  const read = readDispute(dispute, 'charge.dispute.updated');
  return read.ok ? { ok: true, value: { ...read.value, live: isDisputeLiveNow(dispute) } } : read;
}

function isDisputeLiveNow(dispute: Json): boolean {
  const status = at(dispute, 'status');
  if (status === 'lost' || status === 'won') return status === 'lost';
  const moved = at(dispute, 'balance_transactions');
  if (!Array.isArray(moved)) return false;
  return moved.reduce((sum, one) => sum + (wholeNumber(at(one, 'amount')) ?? 0), 0) < 0;
}

/**
 * Reads a credit note. Its refunds arrive as refunds of their own, so its amount is what it gives
 * beside them: out of band or to the customer's balance. Null when that is nothing and it does not
 * say either what of its refunds is for which lines.
 */
export function readCreditNote(object: Json): Read<Reversal | null> {
  const status = at(object, 'status');
  if (!isId(status)) return unusable('the credit note has no usable status');
  const given = givenBy(object);
  const refunded = isShareUntold(object) ? null : refundedBy(object, given ?? 0);
  if (given === null || refunded === null) return unusable('the credit note has no usable amount');
  const amount = Math.max(0, given - sum(refunded.map(([, part]) => part)));
  if (given === 0) return { ok: true, value: null };
  const lineAmounts = creditedLines(object, given);
  const read = readReversal({ ...object, amount }, 'credit_note', status, status !== 'void');
  if (!read.ok) return read;
  return { ok: true, value: { ...read.value, lineAmounts, refundAmounts: byId(refunded) } };
}

/** Whether the API must be asked for a credit note before `readCreditNote` can tell all of it. */
export function isCreditNotePartial(note: Json): boolean {
  return isShareUntold(note) || (!hasAllLines(note) && givenBy(note) !== 0);
}

/**
 * Up to 2025-02-24.acacia a credit note tells neither the amount of its refund nor of what it adds
 * to the customer's balance; where it has both, only a later API version tells what is its own.
 */
function isShareUntold(note: Json): boolean {
  const shares = [at(note, 'refund'), at(note, 'customer_balance_transaction')];
  return !Array.isArray(at(note, 'refunds')) && shares.every((id) => idOf(id) !== null);
}

/** Before payment a credit note lowers what is due: there is nothing to give back. */
function givenBy(note: Json): number | null {
  const isAfterPayment = at(note, 'type') === 'post_payment';
  return wholeNumber(at(note, 'post_payment_amount') ?? (isAfterPayment ? at(note, 'total') : 0));
}

/** The refunds of a credit note that gives this, and how much of each is for it. */
function refundedBy(
  note: Json,
  given: number,
): readonly (readonly [string | null, number])[] | null {
  const refunds = at(note, 'refunds');
  if (Array.isArray(refunds)) {
    // One that is on record elsewhere, and no refund of Stripe's, is a fact of the note's own.
    const parts = refunds.flatMap((one) => {
      const id = idOf(at(one, 'refund'));
      return id === null ? [] : [[id, wholeNumber(at(one, 'amount_refunded')) ?? 0] as const];
    });
    const isUsable = parts.every(([, part]) => part >= 0);
    return isUsable && Number.isSafeInteger(sum(parts.map(([, part]) => part))) ? parts : null;
  }
  // Up to 2025-02-24.acacia: one refund at most, and all that is not out of band.
  const refund = idOf(at(note, 'refund'));
  if (refund === null) return [];
  const outOfBand = wholeNumber(at(note, 'out_of_band_amount') ?? 0);
  return outOfBand === null ? null : [[refund, Math.max(0, given - outOfBand)]];
}

export interface RefundedCharge {
  readonly id: string;
  /** Null when the payload does not hold all of them. */
  readonly refunds: readonly Json[] | null;
}

/** The charge of a charge.refunded event, and its refunds when the payload holds all of them. */
export function readRefundedCharge(charge: Json): Read<RefundedCharge> {
  const id = idOf(charge);
  if (id === null) return unusable('the charge has no usable id');
  const refunds = at(charge, 'refunds', 'data');
  const complete = Array.isArray(refunds) && at(charge, 'refunds', 'has_more') === false;
  return { ok: true, value: { id, refunds: complete ? refunds.filter(isObject) : null } };
}

function readReversal(
  object: Json,
  kind: Reversal['kind'],
  status: string,
  live: boolean | null,
): Read<Reversal> {
  const id = idOf(object);
  if (id === null) return unusable(`the ${kind.replace('_', ' ')} has no usable id`);
  const money = readMoney(at(object, 'amount'), at(object, 'currency'));
  if (money === null) return unusable(`the ${kind.replace('_', ' ')} has no usable amount`);
  const [first, ...others] = ids(
    at(object, 'payment_intent'),
    at(object, 'charge'),
    at(object, 'invoice'),
  );
  if (first === undefined) return unusable(`the ${kind.replace('_', ' ')} names no payment`);
  const names = [first, ...others] as const;
  const says = { id, kind, names, ...money, status, live, isRelease: false };
  return { ok: true, value: { ...says, lineAmounts: null, refundAmounts: null } };
}

/** Whether an event tells of money that goes back. */
export function isReversal({ type }: Pick<StripeEvent, 'type'>): boolean {
  return /^(refund|charge\.refund(ed)?|charge\.dispute|credit_note)(\.|$)/.test(type);
}
