import type { PurserError } from '../../errors.ts';
import type { Actor, Entry, Note, OperationUse, Terms } from './entry.ts';

/** One lot of credits to open: `amount` whole credits, 1 to `MAX_AMOUNT`. */
export interface Grant extends Note, Terms {
  readonly amount: number;
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
  /** What it is for, when the price list said the amount. */
  readonly operation: OperationUse | null;
}

/** Reserves `amount` whole credits for at most `seconds`, or is refused like a debit. */
export interface HoldCommand extends CommandBase, Note {
  readonly kind: 'hold';
  /** Unique within the account, for ever; null for one that is made up. */
  readonly holdId: string | null;
  readonly amount: number;
  /** From the moment at which it is opened, by the database's clock. */
  readonly seconds: number;
  readonly operation: OperationUse | null;
}

/** Spends `amount` of what a hold has reserved, all of it by default, and releases the rest. */
export interface CaptureCommand extends CommandBase, Note {
  readonly kind: 'capture';
  readonly holdId: string;
  readonly amount: number | null;
  /** Take what exceeds the hold from the free credits, if they suffice. */
  readonly beyond: boolean;
}

/** Ends a hold and spends nothing of it. */
export interface ReleaseCommand extends CommandBase, Note {
  readonly kind: 'release';
  readonly holdId: string;
}

/** Gives back `amount` of what a debit or a capture has taken; by default all that is left of it. */
export interface ReverseCommand extends CommandBase, Note {
  readonly kind: 'reverse';
  /** The `seq` of the debit or capture. */
  readonly reversesSeq: number;
  readonly amount: number | null;
}

/** Posts what has become due, and nothing else: it is always refused with `nothing_else_asked`. */
interface PostDueCommand extends CommandBase {
  readonly kind: 'post_due';
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

export type Command =
  | GrantCommand
  | DebitCommand
  | HoldCommand
  | CaptureCommand
  | ReleaseCommand
  | ReverseCommand
  | SettlePaymentCommand
  | PostDueCommand;

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
  | { readonly code: 'idempotency_conflict' }
  /** A grant without a payment opens one lot too many that none of the open ones can take. */
  | { readonly code: 'too_many_lots'; readonly limit: number }
  /** A grant without a payment would expire at once. */
  | { readonly code: 'expiry_passed' }
  | { readonly code: 'too_many_holds'; readonly limit: number }
  | { readonly code: 'hold_exists' | 'hold_not_found' }
  | { readonly code: 'hold_captured' | 'hold_released' | 'hold_expired' }
  | { readonly code: 'capture_exceeds_hold'; readonly held: number; readonly required: number }
  | { readonly code: 'entry_not_found' | 'not_reversible' }
  /** `reversible` is what is left of it. */
  | { readonly code: 'reversal_exceeds_entry'; readonly reversible: number }
  | { readonly code: 'nothing_else_asked' };

/** What became of one command of many: its outcome, or the error that it would have met alone. */
export type Settled = Outcome | PurserError;

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
/** How far a lot's priority may be from 0, in either direction. */
export const MAX_PRIORITY = 1_000;
/** The longest that a hold may live, in seconds: 30 days. */
export const MAX_HOLD_SECONDS = 30 * 86_400;
/** The largest balance, in credits: beyond 2^53 - 1 JSON numbers are not exact. */
export const MAX_BALANCE = Number.MAX_SAFE_INTEGER;
