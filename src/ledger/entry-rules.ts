import type { Account } from './account.ts';
import type { Entry } from './entry.ts';

/**
 * What an entry must obey beside the fold, which takes its facts at their word: here they are held
 * against the account before it and against the entries that it names. One for each account, since
 * it remembers what each grant of a payment has been clawed back.
 */
export interface EntryRules {
  /** The first rule that `entry` breaks, or null. */
  readonly findBroken: (before: Account, entry: Entry) => string | null;
}

export function createEntryRules(): EntryRules {
  const grants = new Map<number, { readonly payment: string | null; left: number; all: number }>();

  function findWrongReversal({ kind, seq, delta, payment, reversesSeq }: Entry): string | null {
    if (kind === 'debit' || kind === 'expiry') return null;
    if (kind !== 'clawback' && kind !== 'reinstatement') {
      grants.set(seq, { payment, left: delta, all: delta });
      return null;
    }
    const grant = grants.get(reversesSeq ?? 0);
    if (!grant) return `it reverses entry ${reversesSeq}, which is no grant`;
    // Grants of releases before the column `payment` do not say theirs.
    if (grant.payment !== null && grant.payment !== payment) {
      return `it reverses entry ${reversesSeq}, which is a grant of another payment`;
    }
    grant.left += delta;
    if (grant.left < 0) return `more than the grant of entry ${reversesSeq} is clawed back`;
    if (grant.left > grant.all) return `more of entry ${reversesSeq} is reinstated than was taken`;
    return null;
  }

  return {
    findBroken: (before, entry) =>
      findWrongDraws(before, entry) ?? findEarlyExpiry(before, entry) ?? findWrongReversal(entry),
  };
}

function findWrongDraws({ lots }: Account, { kind, delta, draws }: Entry): string | null {
  const open = new Set(lots.map(({ seq }) => seq));
  const drawn = draws ?? [];
  if (!drawn.every(({ lot }) => open.delete(lot))) {
    return 'it draws on a lot that is not open, or twice on the same';
  }
  if (drawn.some(({ amount }) => amount <= 0)) return 'it draws nothing or less from a lot';
  const sum = drawn.reduce((total, { amount }) => total + amount, 0);
  const taken = Math.max(-delta, 0);
  // What a claw-back does not find in the lots becomes debt.
  const fits = kind === 'clawback' ? sum <= taken : sum === taken;
  return fits ? null : `it draws ${sum} for a change of ${delta}`;
}

function findEarlyExpiry({ lots }: Account, { kind, draws, createdAt }: Entry): string | null {
  if (kind !== 'expiry') return null;
  const drawn = lots.filter(({ seq }) => draws?.some(({ lot }) => lot === seq));
  const isDue = drawn.every(({ expiresAt }) => expiresAt !== null && expiresAt <= createdAt);
  return isDue ? null : 'it lets a lot expire before its time';
}
