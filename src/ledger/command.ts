import type { Actor, Category, Entry, Note } from './entry.ts';

/** One lot of credits to open: `amount` whole credits, 1 to `MAX_AMOUNT`. */
export interface Grant extends Note {
  readonly category: Category;
  readonly amount: number;
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

export type Command = GrantCommand | DebitCommand;

/** Why a command changed nothing. A refusal is a value: it never aborts the batch it travels in. */
export type Refusal =
  | {
      readonly code: 'insufficient_credits';
      readonly balance: number;
      readonly available: number;
      readonly required: number;
    }
  | { readonly code: 'balance_limit' }
  | { readonly code: 'idempotency_conflict' };

/** What became of a command, told after the commit. */
export type Outcome =
  | {
      readonly ok: true;
      /** The command's lead entry; the original one when it is a replay. */
      readonly entry: Entry;
      /** True when a key showed that the command had been carried out before. */
      readonly replayed: boolean;
    }
  | { readonly ok: false; readonly refusal: Refusal };

/** The most credits that one command may move. */
export const MAX_AMOUNT = 1e12;
/** The most lots that one command may open. */
export const MAX_GRANTS = 1000;
/** The largest balance, in credits: beyond 2^53 - 1 JSON numbers are not exact. */
export const MAX_BALANCE = Number.MAX_SAFE_INTEGER;
