import type { Actor, Category, Entry, Note } from './entry.ts';

/** One lot of credits to open: `amount` whole credits, 1 to `MAX_AMOUNT`. */
export interface Grant extends Note {
  readonly category: Category;
  readonly amount: number;
  /** When what is left of it expires, in milliseconds since 1970; null for never. */
  readonly expiresAt: number | null;
  /** The line of an invoice that was paid for it (`il_…`); null when none is known. */
  readonly invoiceLine: string | null;
}

interface CommandBase {
  readonly userId: string;
  readonly actor: Actor;
  /** The caller's Idempotency-Key; unique per user and kind of actor. */
  readonly idempotencyKey: string | null;
}

/** Gives credits. Its grants (at most `MAX_GRANTS`) are posted together or not at all. */
export interface GrantCommand extends CommandBase {
  readonly kind: 'grant';
  readonly grants: readonly [Grant, ...Grant[]];
  /** The paid object (`cs_…`, `in_…`): one payment grants once, whichever event brings it. */
  readonly grantKey: string | null;
  /** The Stripe event (`evt_…`) that brought it: one event acts once. */
  readonly stripeEventId: string | null;
}

/** Takes `amount` whole credits (1 to `MAX_AMOUNT`), or is refused when fewer are available. */
export interface DebitCommand extends CommandBase, Note {
  readonly kind: 'debit';
  readonly amount: number;
}

/**
 * Brings what a payment granted to where its refunds and disputes put it: claws credits back or
 * reinstates them until what is missing is the payment's share that went back. Convergent: it
 * carries no amount, so repeats, reordering and concurrency end in the same place.
 */
export interface SettlePaymentCommand extends CommandBase, Note {
  readonly kind: 'settle_payment';
  /** The grant key of the payment (`cs_…`, `in_…`), granted to `userId`. */
  readonly payment: string;
  /** The Stripe event (`evt_…`) that told of it: one event acts once. */
  readonly stripeEventId: string | null;
}

export type Command = GrantCommand | DebitCommand | SettlePaymentCommand;

/** Why a command changed nothing. A refusal is a value: it never aborts the batch it travels in. */
export type Refusal =
  | {
      readonly code: 'insufficient_credits';
      readonly balance: number;
      readonly available: number;
      readonly required: number;
    }
  | { readonly code: 'balance_limit' }
  /** The payment to settle has granted nothing to this user. */
  | { readonly code: 'payment_not_granted' }
  | { readonly code: 'idempotency_conflict' };

/** What became of a command, told after the commit. */
export type Outcome =
  | {
      readonly ok: true;
      /** The command's lead entry; the original one when it is a replay. */
      readonly entry: Entry;
      /** True when it had been carried out before, as a key or the payment's entries showed. */
      readonly replayed: boolean;
    }
  | { readonly ok: false; readonly refusal: Refusal };

/** The most credits that one command may move. */
export const MAX_AMOUNT = 1e12;
/** The most lots that one command may open. */
export const MAX_GRANTS = 1000;
/** The largest balance, in credits: beyond 2^53 - 1 JSON numbers are not exact. */
export const MAX_BALANCE = Number.MAX_SAFE_INTEGER;
