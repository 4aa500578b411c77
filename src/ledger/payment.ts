import { apportion } from './apportion.ts';
import type { Category, Entry } from './entry.ts';

/** A grant of a payment, and how much of it has been clawed back so far. */
export interface PaymentGrant {
  readonly userId: string;
  readonly seq: number;
  readonly amount: number;
  readonly category: Category;
  readonly expiresAt: number | null;
  /** The lots that took it, and later what of it was reinstated on its terms. */
  readonly lots: readonly number[];
  /** Credits clawed back and not reinstated, from 0 to `amount`. */
  readonly clawedBack: number;
  /** Of these, what did not come from its own lots: other credits, or debt. */
  readonly clawedElsewhere: number;
}

/** What a payment granted, and how much of its money has gone back. */
export interface Payment {
  readonly grants: readonly PaymentGrant[];
  /** In the currency's smallest unit, tax included. */
  readonly amountPaid: number;
  /** Live refunds and disputes together, at most `amountPaid`. */
  readonly amountReversed: number;
  /** The newest entry that granted, clawed back or reinstated for it. */
  readonly newest: Entry;
}

/** What of a payment's money went back, by its facts. */
export type Reversed = Pick<Payment, 'amountPaid' | 'amountReversed'>;

/** Folds a payment's entries, oldest first; null when none of them granted to this user. */
function foldPayment(entries: readonly Entry[], reversed: Reversed): Payment | null {
  const newest = entries.at(-1);
  if (!newest) return null;
  const grants = new Map<number, PaymentGrant>();
  for (const entry of entries) {
    const { userId, seq, kind, delta, lot, expiresAt, reversesSeq } = entry;
    if (kind === 'clawback' || kind === 'reinstatement') {
      const grant = grants.get(reversesSeq ?? 0);
      if (!grant) continue;
      const isOwn = lot !== null && expiresAt === grant.expiresAt;
      const lots = isOwn ? [...grant.lots, lot] : grant.lots;
      const clawedBack = grant.clawedBack - delta;
      grants.set(grant.seq, {
        ...{ ...grant, lots, clawedBack },
        clawedElsewhere: clawedElsewhere(grant, entry),
      });
    } else if (kind !== 'debit' && kind !== 'expiry') {
      const lots = lot === null ? [] : [lot];
      const terms = { category: kind, expiresAt };
      const untouched = { clawedBack: 0, clawedElsewhere: 0 };
      grants.set(seq, { userId, seq, amount: delta, ...terms, lots, ...untouched });
    }
  }
  return { grants: [...grants.values()], ...reversed, newest };
}

/** What was taken elsewhere comes back first, without expiry, so that others lose nothing by it. */
function clawedElsewhere(
  { lots, clawedElsewhere: before, expiresAt }: PaymentGrant,
  entry: Entry,
): number {
  if (entry.kind === 'reinstatement') {
    return entry.expiresAt === expiresAt ? before : before - entry.delta;
  }
  const own = (entry.draws ?? []).filter(({ lot }) => lots.includes(lot));
  return before - entry.delta - own.reduce((sum, { amount }) => sum + amount, 0);
}

/**
 * How many credits of each grant should be missing, given the share of the money that went back:
 * ⌊granted × reversed ÷ paid⌋ in all, spread over the grants.
 */
export function clawBackTargets({
  grants,
  amountPaid,
  amountReversed,
}: Pick<Payment, 'grants' | 'amountPaid' | 'amountReversed'>): readonly number[] {
  if (amountPaid <= 0 || amountReversed <= 0) return grants.map(() => 0);
  return apportion(
    grants.map(({ amount }) => amount),
    amountReversed,
    amountPaid,
  );
}

/** The payments that a round must settle, with what it has posted about them since. */
export interface PaymentBook {
  /** Null when the payment granted nothing to this user. */
  readonly find: (userId: string, key: string) => Payment | null;
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
      return foldPayment(entries, reversed.get(key) ?? { amountPaid: 0, amountReversed: 0 });
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
  const lead = among.find(({ userId, seq }) => userId === entry.userId && seq === entry.leadSeq);
  return entry.payment ?? entry.grantKey ?? lead?.grantKey ?? null;
}
