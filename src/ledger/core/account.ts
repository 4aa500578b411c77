import { sum } from '../../sum.ts';
import type { Draw, Terms } from './entry.ts';

/** Credits that were granted together and are not used up yet. */
export interface Lot extends Terms {
  /** The `seq` of the entry that opened it. */
  readonly seq: number;
  /** Credits in it that can be spent; 0 only while an open hold has reserved the rest of it. */
  readonly free: number;
}

/** Credits that are reserved for something under way, until it is captured, released or expires. */
export interface Hold {
  /** The `seq` of the entry that opened it. */
  readonly seq: number;
  /** The caller's name for it, or one that was made for it. */
  readonly id: string;
  /** When it ends by itself, in milliseconds since 1970. */
  readonly expiresAt: number;
  /** What it has reserved of which lots, in burn order. */
  readonly parts: readonly Draw[];
}

/** What an account owns and owes after its newest entry. */
export interface Account {
  readonly userId: string;
  /** The number of entries so far; 0 for an account that has none. */
  readonly seq: number;
  /** Free credits of all lots, plus held, minus debt. */
  readonly balance: number;
  /** What the open holds have reserved, together. */
  readonly held: number;
  /** Credits owed after a claw-back of spent ones; above 0 only while no lot has free credits. */
  readonly debt: number;
  /** The open lots, in the order in which they were opened. */
  readonly lots: readonly Lot[];
  /** The open holds, oldest first. */
  readonly holds: readonly Hold[];
  /** When the newest entry was made, in milliseconds since 1970; 0 when there is none. */
  readonly updatedAt: number;
}

/** The account of a user for whom nothing has been posted yet. */
export function emptyAccount(userId: string): Account {
  return { userId, seq: 0, balance: 0, held: 0, debt: 0, lots: [], holds: [], updatedAt: 0 };
}

/** What can be spent now, in credits: negative for a debtor, never clamped to 0. */
export function available(account: Pick<Account, 'balance' | 'held'>): number {
  return account.balance - account.held;
}

/** The credits of all draws together. */
export function sumOf(draws: readonly Draw[]): number {
  return sum(draws.map(({ amount }) => amount));
}

/** The lots with free credits whose time has come by `now`, in milliseconds since 1970. */
export function expiredLots({ lots }: Pick<Account, 'lots'>, now: number): readonly Lot[] {
  return lots.filter(({ expiresAt, free }) => expiresAt !== null && expiresAt <= now && free > 0);
}

/** The holds whose time has come by `now`, in milliseconds since 1970. */
export function expiredHolds({ holds }: Pick<Account, 'holds'>, now: number): readonly Hold[] {
  return holds.filter(({ expiresAt }) => expiresAt <= now);
}

/**
 * When something will next happen to the account by itself, in milliseconds; null for never.
 * @param expiringWithin how long before its expiry a lot is announced; when `now` is past that, it
 *   has been, or the sweep is due already
 */
export function dueAt(
  { lots, holds }: Pick<Account, 'lots' | 'holds'>,
  { now, expiringWithin }: { readonly now: number; readonly expiringWithin: number },
): number | null {
  const losing = lots.filter(({ free }) => free > 0).flatMap(({ expiresAt }) => expiresAt ?? []);
  const times = [
    ...losing.map((at) => (at - expiringWithin > now ? at - expiringWithin : at)),
    ...holds.map(({ expiresAt }) => expiresAt),
  ];
  return times.length === 0 ? null : Math.min(...times);
}

/** Every rule that an account obeys at any time; returns the first one it breaks, or null. */
export function findBrokenRule(account: Account): string | null {
  const { balance, held, debt, lots, holds } = account;
  const free = sum(lots.map(({ free }) => free));
  const parts = holds.flatMap((hold) => hold.parts);
  const reserved = new Set(parts.map(({ lot }) => lot));
  const open = new Set(lots.map(({ seq }) => seq));
  if (!Number.isSafeInteger(balance)) return 'the balance is not a safe integer';
  if (held < 0 || debt < 0) return 'held and debt are never negative';
  if (lots.some((lot) => lot.free < 0)) return 'a lot is never over-drawn';
  if (lots.some((lot) => lot.free === 0 && !reserved.has(lot.seq))) {
    return 'a lot of which nothing is free or reserved is closed';
  }
  if (parts.some(({ lot, amount }) => amount <= 0 || !open.has(lot))) {
    return 'a hold has reserved parts of open lots';
  }
  if (held !== sumOf(parts)) return 'held = what all open holds have reserved';
  if (debt > 0 && free > 0) return 'debt exists only while no lot has free credits';
  if (balance !== free + held - debt) return 'balance = free credits of all lots + held - debt';
  return null;
}
