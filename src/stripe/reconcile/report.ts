/** What can be off between Stripe and the ledger. */
type FindingKind =
  /** Stripe created an event of a type that matters, and the inbox does not have it. */
  | 'event-missing'
  /** Paid at Stripe, and not on record here. */
  | 'paid-but-not-granted'
  /** Granted here, and not paid at Stripe. Only ever reported. */
  | 'granted-but-not-paid'
  /** Money has gone back, and is not on file. */
  | 'refund-missing'
  | 'dispute-missing'
  | 'credit-note-missing'
  /** On file otherwise than Stripe says: over, live again, about another amount, or gone. */
  | 'refund-differs'
  | 'dispute-differs'
  | 'credit-note-differs'
  /** What is clawed back is not what follows from the refunds and disputes on file. */
  | 'clawed-back-differs';

/** Why it is off; unlike the prose it stays the same from release to release. */
type FindingCode =
  /** Of what was found by a release without codes. */
  | ''
  /** Stripe has no answer, for now. */
  | 'unanswered'
  /** Stripe's answer will stay the same, and nothing can be made of it: it is gone, mostly. */
  | 'unusable_answer'
  /** No rule can read it. */
  | 'unreadable'
  | 'never_arrived'
  | 'unknown_price'
  | 'unknown_user'
  /** Nothing stands in its way, but that nobody did it. */
  | 'not_carried_out'
  /** An operator has ignored its event: only of what is accepted. */
  | 'ignored'
  | 'not_paid'
  | 'not_on_file'
  /** It is over, and live on file; or the other way round. */
  | 'live_on_file'
  | 'over_on_file'
  | 'other_amount'
  /** Of refunds, disputes and credit notes on file: their payment has not lost what it should. */
  | 'not_settled'
  /** As many credits as should be, but of other lines. */
  | 'other_lines';

/** Which finding: there may be several about one object. */
export type FindingKey = Pick<Finding, 'object' | 'kind'>;

/** Something that is off. */
export interface Finding {
  readonly kind: FindingKind;
  readonly code: FindingCode;
  /** The id of what it is about: evt_, cs_, in_, re_, dp_, du_, cn_; for claw-backs the grant key. */
  readonly object: string;
  readonly user: string | null;
  /** In the currency's smallest unit; null where it is not about money. */
  readonly amount: number | null;
  readonly currency: string | null;
  /** What the account lacks (above 0) or has too much (below 0); null when that is not known. */
  readonly credits: number | null;
  /** When Stripe created it, or when it was recorded here. */
  readonly when: Date;
  readonly why: string;
}

/** Of a finding about what cannot be read. */
export const NOT_KNOWN = { user: null, amount: null, currency: null, credits: null } as const;

/** A finding, and what became of it. */
export interface Handled extends Finding {
  /** What was done about it; null when nothing was. */
  readonly done: string | null;
  /** Whether it is in order now, which was found out by looking again. */
  readonly repaired: boolean;
}

/** How much was looked at. */
export interface Counts {
  events: number;
  sessions: number;
  invoices: number;
  refunds: number;
  disputes: number;
  creditNotes: number;
  /** Payments on record here: those that granted since, and those with refunds or disputes. */
  payments: number;
}

/** How far a run is. */
export interface Progress {
  readonly counts: Readonly<Counts>;
  /** How much was off when it was looked at. */
  readonly found: number;
}

/** What a run found. */
export interface Report {
  readonly applied: boolean;
  readonly startedAt: Date;
  /** Since when events and objects were looked at. */
  readonly eventsSince: Date;
  readonly objectsSince: Date;
  readonly counts: Readonly<Counts>;
  /** At most `MAX_FINDINGS`; the numbers count all. */
  readonly findings: readonly Handled[];
  readonly found: number;
  readonly repaired: number;
  /** What is still off: `found` without `repaired`. */
  readonly left: number;
  /** How many payments that granted wait for their turn to be asked for one by one. */
  readonly waiting: number;
  /** Why not everything could be looked at; empty when it was. */
  readonly problems: readonly string[];
  /** Of what could not be looked at, what can be accepted; only of a run that repairs. */
  readonly unseen: readonly Finding[];
}

/** What is said to be done about what is not any more what was accepted. */
export const CHANGED = 'it has changed since it was accepted';

/** The most findings that a report lists. */
export const MAX_FINDINGS = 1_000;

/** Whether everything was looked at and nothing is off any more. */
export function isInOrder({ left, problems }: Report): boolean {
  return left === 0 && problems.length === 0;
}
