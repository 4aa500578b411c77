import { type Lot, sumOf } from './account.ts';
import type { Category, Draw } from './entry.ts';

/** What is spent first among lots that expire together: given credits before bought ones. */
const BURN_ORDER: Readonly<Record<Category, number>> = {
  bonus: 0,
  adjustment: 1,
  included: 2,
  purchase: 3,
};

/** Takes up to `amount` from the lots, in their order. */
export function drawUpTo(
  lots: readonly Pick<Lot, 'seq' | 'free'>[],
  amount: number,
): readonly Draw[] {
  const draws: Draw[] = [];
  let missing = amount;
  for (const lot of lots) {
    if (missing === 0) break;
    if (lot.free === 0) continue;
    const taken = Math.min(lot.free, missing);
    draws.push({ lot: lot.seq, amount: taken });
    missing -= taken;
  }
  return draws;
}

/** Takes `amount` from lots that must have it, what is spent first first. */
export function drawInBurnOrder(lots: readonly Lot[], amount: number): readonly Draw[] {
  const draws = drawUpTo(inBurnOrder(lots), amount);
  const missing = amount - sumOf(draws);
  if (missing > 0) throw new Error(`lots hold ${missing} credits fewer than they should`);
  return draws;
}

/**
 * The lowest priority first, then what expires soonest, then given credits before
 * bought ones, then the oldest lot.
 */
export function inBurnOrder(lots: readonly Lot[]): readonly Lot[] {
  const expiry = ({ expiresAt }: Lot) => expiresAt ?? Number.POSITIVE_INFINITY;
  return lots.toSorted((a, b) => {
    if (a.priority !== b.priority) return a.priority - b.priority;
    if (expiry(a) !== expiry(b)) return expiry(a) < expiry(b) ? -1 : 1;
    return BURN_ORDER[a.category] - BURN_ORDER[b.category] || a.seq - b.seq;
  });
}
