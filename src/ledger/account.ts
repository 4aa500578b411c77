import type { Category, Draw, Entry } from './entry.ts';

/** Credits that were granted together and are not spent yet. */
export interface Lot {
  /** The `seq` of the entry that opened it. */
  readonly seq: number;
  readonly category: Category;
  /** When it expires, in milliseconds since 1970; null for never. */
  readonly expiresAt: number | null;
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

/** The lots whose time has come by `now`, in milliseconds since 1970. */
export function expiredLots({ lots }: Pick<Account, 'lots'>, now: number): readonly Lot[] {
  return lots.filter(({ expiresAt }) => expiresAt !== null && expiresAt <= now);
}

/** The account after `entry`. Folding it over a history from entry 1 is the audit. */
export function evolve(account: Account, entry: Entry): Account {
  const { debt, lots } = entry.delta < 0 ? takeOut(account, entry) : bringIn(account, entry);
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

type Holdings = Pick<Account, 'debt' | 'lots'>;

/** What its draws do not cover becomes debt; only a claw-back takes more than there is. */
function takeOut(account: Account, { delta, draws }: Entry): Holdings {
  const drawn = draws ?? [];
  const taken = drawn.reduce((sum, { amount }) => sum + amount, 0);
  return { debt: account.debt - delta - taken, lots: draw(account.lots, drawn) };
}

function draw(lots: readonly Lot[], draws: readonly Draw[]): readonly Lot[] {
  const taken = new Map(draws.map(({ lot, amount }) => [lot, amount]));
  return lots
    .map((lot) => ({ ...lot, free: lot.free - (taken.get(lot.seq) ?? 0) }))
    .filter((lot) => lot.free !== 0);
}

function bringIn(account: Account, entry: Entry): Holdings {
  const repaid = Math.min(account.debt, entry.delta);
  return {
    debt: account.debt - repaid,
    lots: fill(account.lots, entry, entry.delta - repaid),
  };
}

function fill(lots: readonly Lot[], entry: Entry, amount: number): readonly Lot[] {
  if (entry.lot === null) return lots;
  if (entry.lot === entry.seq) {
    const { seq, expiresAt } = entry;
    return [...lots, { seq, category: categoryOf(entry), expiresAt, free: amount }];
  }
  return lots.map((lot) => (lot.seq === entry.lot ? { ...lot, free: lot.free + amount } : lot));
}

/** What the credits that an entry brought in count as. */
function categoryOf({ kind, category }: Entry): Category {
  switch (kind) {
    case 'purchase':
    case 'included':
    case 'bonus':
    case 'adjustment':
      return kind;
    default:
      if (category === null) throw new Error(`an entry of kind ${kind} brings no credits in`);
      return category;
  }
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

/** The part of an account that the last entry of a transaction stores beside its own columns. */
export interface State {
  readonly debt: number;
  readonly lots: readonly StoredLot[];
}

/** Left out when null: lots that never expire are most, and older entries have none that do. */
type StoredLot = Omit<Lot, 'expiresAt'> & { readonly expires_at?: number };

export function toState({ debt, lots }: Holdings): State {
  return {
    debt,
    lots: lots.map(({ seq, category, free, expiresAt }) => ({
      ...{ seq, category, free },
      ...(expiresAt !== null && { expires_at: expiresAt }),
    })),
  };
}

export function fromState({ debt, lots }: State): Holdings {
  return {
    debt,
    lots: lots.map(({ seq, category, free, expires_at: expiresAt = null }) => ({
      ...{ seq, category, free, expiresAt },
    })),
  };
}
