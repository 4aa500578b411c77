/** Who caused an entry: the signed-in user, a service key, an operator, Stripe, or Purser itself. */
export type Actor = 'user' | 'stripe' | 'system' | `key:${string}` | `operator:${string}`;

/** What credits were given for. It decides the burn order and is the kind of the grant's entry. */
export type Category = 'purchase' | 'included' | 'bonus' | 'adjustment';

/** What decides when credits are spent, and when they are lost. */
export interface Terms {
  readonly category: Category;
  /** Lower is spent first; 0 unless somebody asked for something else. */
  readonly priority: number;
  /** When they expire, in milliseconds since 1970; null for never. */
  readonly expiresAt: number | null;
}

/** Free text that a caller attaches to an entry, for the people who read the statement. */
export interface Note {
  readonly reason: string | null;
  /** The caller's own name for what this was, such as an order or a job. */
  readonly ref: string | null;
  readonly metadata: Readonly<Record<string, string>> | null;
}

/**
 * What an entry did: gave credits (a grant, named by their category), spent them, let them expire,
 * took a payment's credits back, or gave them again; reserved some, spent what was reserved, or let
 * it go; or gave back what a debit or a capture had taken.
 */
export type EntryKind =
  | Category
  | 'debit'
  | 'expiry'
  | 'clawback'
  | 'reinstatement'
  | 'hold'
  | 'capture'
  | 'release'
  | 'reversal';

/** A part of a lot that an entry moved: `amount` credits of the lot opened by entry `lot`. */
export interface Draw {
  /** The `seq` of the entry that opened the lot. */
  readonly lot: number;
  readonly amount: number;
  /** For a reversal that gives to a lot which was used up: on which terms that opens again. */
  readonly reopens?: Terms;
}

/** What a debit or a hold was for, by the price list, instead of a number of credits. */
export interface OperationUse {
  readonly name: string;
  /** How much of it, a decimal without trailing zeros, such as `3` or `0.25`. */
  readonly quantity: string;
}

/**
 * One row of an account's history. Entries of one user are numbered 1, 2, 3 … without gaps, are
 * never changed, and each carries the balance after it; see migrations/ for the same in SQL.
 */
export interface Entry extends Note {
  readonly userId: string;
  readonly seq: number;
  readonly id: string;
  readonly kind: EntryKind;
  /** The change of the balance, in credits: positive for grants, negative for debits. */
  readonly delta: number;
  /** The balance after this entry, in credits. */
  readonly balance: number;
  /** Credits reserved by open holds after this entry; `balance - held` is available. */
  readonly held: number;
  /** What came in: the lot that took the rest after paying debt; null when debt took it all. */
  readonly lot: number | null;
  /** What its lot counts as, where its kind does not say it: reinstatements and reversals. */
  readonly category: Category | null;
  /** What came in: the priority of its lot; null for 0. */
  readonly priority: number | null;
  /**
   * What came in: when its lot expires, in milliseconds since 1970; null for never. Of a hold: when
   * it ends by itself.
   */
  readonly expiresAt: number | null;
  /**
   * What went out: which lots it took from, in order; the rest of a claw-back became debt. Of a
   * hold: what it reserves. Of a reversal: which lots it gives to; what is left of it paid debt or
   * opened a lot.
   */
  readonly draws: readonly Draw[] | null;
  /** The grant key of the payment that this entry grants, claws back or reinstates. */
  readonly payment: string | null;
  /** For a grant: the line of an invoice that was paid for it; null when none is known. */
  readonly invoiceLine: string | null;
  /** The hold that it opens or ends. */
  readonly holdId: string | null;
  /** What it was for, when the price list said how many credits that costs. */
  readonly operation: OperationUse | null;
  /**
   * For a claw-back or reinstatement: the `seq` of the grant whose credits it moves; for a
   * reversal: of the debit or capture.
   */
  readonly reversesSeq: number | null;
  /** The `seq` of the command's first entry, which holds its keys; null on that entry itself. */
  readonly leadSeq: number | null;
  readonly actor: Actor;
  readonly stripeEventId: string | null;
  readonly grantKey: string | null;
  /** Prefixed by the kind of actor, so that a user cannot block a service's key. */
  readonly idempotencyKey: string | null;
  /** SHA-256 of the normalised command, hex; set when there is an idempotency key. */
  readonly requestHash: string | null;
  /** By the database's clock, in milliseconds since 1970; never earlier than the entry before. */
  readonly createdAt: number;
}
