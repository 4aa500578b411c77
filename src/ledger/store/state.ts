import type { Account, Hold, Lot } from '../core/account.ts';

/**
 * The part of an account that the last entry of a transaction stores beside its own columns. What
 * most accounts do not have is left out, and so reads as it was written before it existed.
 */
export interface State {
  readonly debt: number;
  readonly lots: readonly StoredLot[];
  readonly holds?: readonly StoredHold[];
}

interface StoredLot extends Pick<Lot, 'seq' | 'category' | 'free'> {
  /** Left out for never. */
  readonly expires_at?: number;
  /** Left out for 0. */
  readonly priority?: number;
}

interface StoredHold extends Pick<Hold, 'seq' | 'id' | 'parts'> {
  readonly expires_at: number;
}

type Holdings = Pick<Account, 'debt' | 'lots' | 'holds'>;

export function toState({ debt, lots, holds }: Holdings): State {
  return {
    debt,
    lots: lots.map(({ seq, category, free, expiresAt, priority }) => ({
      ...{ seq, category, free },
      ...(expiresAt !== null && { expires_at: expiresAt }),
      ...(priority !== 0 && { priority }),
    })),
    ...(holds.length > 0 && {
      holds: holds.map(({ seq, id, expiresAt, parts }) => ({
        ...{ seq, id, parts },
        expires_at: expiresAt,
      })),
    }),
  };
}

export function fromState({ debt, lots, holds = [] }: State): Holdings {
  return {
    debt,
    lots: lots.map(({ seq, category, free, expires_at: expiresAt = null, priority = 0 }) => ({
      ...{ seq, category, free, expiresAt, priority },
    })),
    holds: holds.map(({ seq, id, expires_at: expiresAt, parts }) => ({
      ...{ seq, id, expiresAt, parts },
    })),
  };
}
