import type { Category, Draw, Entry } from './entry.ts';

/** Credits that were granted together and are not spent yet. */
export interface Lot {
  /** The `seq` of the entry that opened it. */
  readonly seq: number;
  readonly category: Category;
  /** Credits left in it, always above 0: an empty lot is closed. */
  readonly free: number;
}

/** What an account owns and owes after its newest entry. */
export interface Account {
  readonly userId: string;
  /** The number of entries so far; 0 for an account that has none. */
  readonly seq: number;
  /** Free credits of all lots, plus held, minus debt. */
  readonly balance: number;
  readonly held: number;
  /** Credits owed after a claw-back of spent ones; above 0 only while no lot is open. */
  readonly debt: number;
  /** The open lots, oldest first. */
  readonly lots: readonly Lot[];
  /** When the newest entry was made, in milliseconds since 1970; 0 when there is none. */
  readonly updatedAt: number;
}

/** The account of a user for whom nothing has been posted yet. */
export function emptyAccount(userId: string): Account {
  return { userId, seq: 0, balance: 0, held: 0, debt: 0, lots: [], updatedAt: 0 };
}

/** What can be spent now, in credits: negative for a debtor, never clamped to 0. */
export function available(account: Pick<Account, 'balance' | 'held'>): number {
  return account.balance - account.held;
}

/** The account after `entry`. Folding it over a history from entry 1 is the audit. */
export function evolve(account: Account, entry: Entry): Account {
  const { debt, lots } =
    entry.kind === 'debit'
      ? { debt: account.debt, lots: draw(account.lots, entry.draws ?? []) }
      : grant(account, entry);
  return {
    userId: account.userId,
    seq: entry.seq,
    balance: account.balance + entry.delta,
    held: account.held,
    debt,
    lots,
    updatedAt: entry.createdAt,
  };
}

function grant(account: Account, entry: Entry): Pick<Account, 'debt' | 'lots'> {
  const repaid = Math.min(account.debt, entry.delta);
  return {
    debt: account.debt - repaid,
    lots: fill(account.lots, entry, entry.delta - repaid),
  };
}

function fill(lots: readonly Lot[], entry: Entry, amount: number): readonly Lot[] {
  if (entry.kind === 'debit' || entry.lot === null) return lots;
  if (entry.lot === entry.seq) {
    return [...lots, { seq: entry.seq, category: entry.kind, free: amount }];
  }
  return lots.map((lot) => (lot.seq === entry.lot ? { ...lot, free: lot.free + amount } : lot));
}

function draw(lots: readonly Lot[], draws: readonly Draw[]): readonly Lot[] {
  const taken = new Map(draws.map(({ lot, amount }) => [lot, amount]));
  return lots
    .map((lot) => ({ ...lot, free: lot.free - (taken.get(lot.seq) ?? 0) }))
    .filter((lot) => lot.free !== 0);
}

/** Every rule that an account obeys at any time; returns the first one it breaks, or null. */
export function findBrokenRule(account: Account): string | null {
  const free = account.lots.reduce((sum, lot) => sum + lot.free, 0);
  if (!Number.isSafeInteger(account.balance)) return 'the balance is not a safe integer';
  if (account.held < 0 || account.debt < 0) return 'held and debt are never negative';
  if (account.lots.some((lot) => lot.free <= 0)) return 'an open lot has free credits';
  if (account.debt > 0 && free > 0) return 'debt exists only while no lot has free credits';
  if (account.balance !== free + account.held - account.debt) {
    return 'balance = free credits of all lots + held - debt';
  }
  return null;
}
