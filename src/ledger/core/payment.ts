import { sum } from '../../sum.ts';
import { apportion } from './apportion.ts';
import type { Entry, Terms } from './entry.ts';
import { termsOf } from './evolve.ts';

/** A grant of a payment, and how much of it has been clawed back so far. */
export interface PaymentGrant extends Terms {
  readonly userId: string;
  readonly seq: number;
  readonly amount: number;
  readonly invoiceLine: string | null;
  /** The lots that took it, and later what of it was reinstated on its terms. */
  readonly lots: readonly number[];
  /** Credits clawed back and not reinstated, from 0 to `amount`. */
  readonly clawedBack: number;
  /** Of these, what did not come from its own lots: other credits, or debt. */
  readonly clawedElsewhere: number;
}

/** What was paid and how much of it has gone back, in the currency's smallest unit. */
interface ReversedAmount {
  /** Tax included. */
  readonly amountPaid: number;
  /** At most `amountPaid`. */
  readonly amountReversed: number;
}

/** What of a payment's money went back, by its facts: live refunds and disputes together. */
export interface Reversed extends ReversedAmount {
  /**
   * The lines of its invoice, by their ids, and what of each went back by name: those of credit
   * notes. Empty when they are not known, or do not add up to what was paid.
   */
  readonly lines: ReadonlyMap<string, ReversedAmount>;
}

/** What a payment granted, and how much of its money has gone back. */
export interface Payment extends Reversed {
  readonly grants: readonly PaymentGrant[];
  /** The newest entry that granted, clawed back or reinstated for it. */
  readonly newest: Entry;
}

/** Folds a payment's entries, oldest first; null when none of them granted to this user. */
function foldPayment(entries: readonly Entry[], reversed: Reversed): Payment | null {
  const newest = entries.at(-1);
  if (!newest) return null;
  const grants = new Map<number, PaymentGrant>();
  for (const entry of entries) {
    const { seq, kind, reversesSeq } = entry;
    if (kind === 'clawback' || kind === 'reinstatement') {
      const grant = grants.get(reversesSeq ?? 0);
      if (grant) grants.set(grant.seq, afterMove(grant, entry));
    } else {
      grants.set(seq, asGranted(entry));
    }
  }
  return { grants: [...grants.values()], ...reversed, newest };
}

/** A grant after the claw-backs and reinstatements of it, oldest first. */
export function foldGrant(granted: Entry, moves: readonly Entry[]): PaymentGrant {
  return moves.reduce(afterMove, asGranted(granted));
}

function asGranted(entry: Entry): PaymentGrant {
  const { userId, seq, delta, lot, invoiceLine } = entry;
  const lots = lot === null ? [] : [lot];
  const terms = { ...termsOf(entry), invoiceLine };
  return { userId, seq, amount: delta, ...terms, lots, clawedBack: 0, clawedElsewhere: 0 };
}

function afterMove(grant: PaymentGrant, entry: Entry): PaymentGrant {
  const { lot, expiresAt, delta } = entry;
  const isOwn = lot !== null && expiresAt === grant.expiresAt;
  return {
    ...grant,
    lots: isOwn ? [...grant.lots, lot] : grant.lots,
    clawedBack: grant.clawedBack - delta,
    clawedElsewhere: clawedElsewhere(grant, entry),
  };
}

/** What was taken elsewhere comes back first, without expiry, so that others lose nothing by it. */
function clawedElsewhere(
  { lots, clawedElsewhere: before, expiresAt }: PaymentGrant,
  entry: Entry,
): number {
  if (entry.kind === 'reinstatement') {
    const isOwn = expiresAt !== null && entry.expiresAt === expiresAt;
    return isOwn ? before : Math.max(0, before - entry.delta);
  }
  const own = (entry.draws ?? []).filter(({ lot }) => lots.includes(lot));
  return before - entry.delta - sum(own.map(({ amount }) => amount));
}

/**
 * How many credits of each grant should be missing, given the money that went back. What went back
 * of the line that was paid for a grant takes its share of that grant, rounded down; all other
 * money takes its share of what is left of the payment, spread over what is left of the grants.
 */
export function clawBackTargets(payment: Omit<Payment, 'newest'>): readonly number[] {
  const { grants, amountPaid, amountReversed } = payment;
  const amounts = grants.map(({ amount }) => amount);
  if (amountPaid <= 0 || amountReversed <= 0) return amounts.map(() => 0);
  if (amountReversed >= amountPaid) return amounts;
  const named = namedMoney(payment);
  const own = grants.map(({ amount, invoiceLine }) => {
    const line = named.lines.get(invoiceLine ?? '');
    return line && line.amountPaid > 0 ? wholeShare(amount, line) : 0;
  });
  const rest = apportion(
    amounts.map((amount, i) => amount - (own[i] ?? 0)),
    amountReversed - named.total,
    amountPaid - named.total,
  );
  return own.map((credits, i) => credits + (rest[i] ?? 0));
}

/**
 * The lines by which a payment's money went back, and how much that is. None when they and the
 * payment contradict each other: a grant of none of them, or more by name than went back at all.
 */
function namedMoney({ grants, lines, amountReversed }: Omit<Payment, 'newest'>) {
  const total = sum([...lines.values()].map((line) => line.amountReversed));
  const areKnown = grants.every(({ invoiceLine }) => lines.has(invoiceLine ?? ''));
  return areKnown && total <= amountReversed ? { lines, total } : { lines: NO_LINES, total: 0 };
}

const NO_LINES: Reversed['lines'] = new Map();

/** Exact: products of credits and cents pass 2^53. */
function wholeShare(amount: number, { amountPaid, amountReversed }: ReversedAmount): number {
  return Number((BigInt(amount) * BigInt(amountReversed)) / BigInt(amountPaid));
}

const NOTHING_PAID: Reversed = { amountPaid: 0, amountReversed: 0, lines: NO_LINES };

/** The payments that a round must settle, with what it has posted about them since. */
export interface PaymentBook {
  /** Null when the payment granted nothing to this user. */
  readonly find: (userId: string, key: string) => Payment | null;
  /** Whose entries are about the payment. */
  readonly usersOf: (key: string) => readonly string[];
  readonly remember: (entries: readonly Entry[]) => void;
}

export function createPaymentBook(
  onRecord: readonly Entry[],
  reversed: ReadonlyMap<string, Reversed>,
): PaymentBook {
  const byPayment = new Map<string, Entry[]>();
  const book: PaymentBook = {
    find(userId, key) {
      const entries = byPayment.get(key)?.filter((entry) => entry.userId === userId) ?? [];
      return foldPayment(entries, reversed.get(key) ?? NOTHING_PAID);
    },
    usersOf(key) {
      return [...new Set(byPayment.get(key)?.map(({ userId }) => userId))];
    },
    remember(entries) {
      for (const entry of entries) {
        const payment = paymentOf(entry, entries);
        if (payment === null) continue;
        const known = byPayment.get(payment);
        if (known) known.push(entry);
        else byPayment.set(payment, [entry]);
      }
    },
  };
  book.remember(onRecord);
  return book;
}

/** Grants of releases before the column `payment` have their key on their lead only. */
function paymentOf(entry: Entry, among: readonly Entry[]): string | null {
  const known = entry.payment ?? entry.grantKey;
  if (known !== null) return known;
  const lead = among.find(({ userId, seq }) => userId === entry.userId && seq === entry.leadSeq);
  return lead?.grantKey ?? null;
}
