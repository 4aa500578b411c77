import { type Account, sumOf } from '../core/account.ts';
import { isEndedByItself } from '../core/decide/hold.ts';
import type { Draw, Entry } from '../core/entry.ts';

/** What a reversal gives back of, as the history has it. */
export interface Reversed {
  readonly kind: string;
  readonly delta: number;
  /** The sum of all reversals of it until this one, this one included. */
  readonly given: number;
}

/**
 * What an entry must obey beside the fold, which takes its facts at their word: here they are held
 * against the account before it and against the entries that it names. One for each account, since
 * it remembers what each grant of a payment has been clawed back.
 */
export interface EntryRules {
  /**
   * The first rule that `entry` breaks, or null.
   * @param reversed what a reversal names; null for other entries, and when there is no such entry
   */
  readonly findBroken: (before: Account, entry: Entry, reversed: Reversed | null) => string | null;
}

export function createEntryRules(): EntryRules {
  const grants = new Map<number, { readonly payment: string | null; left: number; all: number }>();

  function findWrongClawBack({ kind, seq, delta, payment, reversesSeq }: Entry): string | null {
    switch (kind) {
      case 'purchase':
      case 'included':
      case 'bonus':
      case 'adjustment':
        grants.set(seq, { payment, left: delta, all: delta });
        return null;
      case 'clawback':
      case 'reinstatement':
        break;
      default:
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
    findBroken: (before, entry, reversed) =>
      findWrongDraws(before, entry) ??
      findWrongHold(before, entry) ??
      findEarlyExpiry(before, entry) ??
      findWrongClawBack(entry) ??
      findWrongReversal(entry, reversed),
  };
}

function findWrongDraws({ lots, debt }: Account, entry: Entry): string | null {
  const { kind, delta, draws, lot } = entry;
  const drawn = draws ?? [];
  const open = new Set(lots.map(({ seq }) => seq));
  const named = new Set(drawn.map((draw) => draw.lot));
  if (named.size < drawn.length) return 'it draws twice on the same lot';
  const missing = drawn.filter((draw) => !open.has(draw.lot));
  if (missing.some(({ reopens }) => kind !== 'reversal' || !reopens)) {
    return 'it draws on a lot that is not open';
  }
  if (drawn.some((draw) => draw.reopens && open.has(draw.lot))) return 'it opens an open lot again';
  if (drawn.some(({ amount }) => amount <= 0)) return 'it draws nothing or less from a lot';
  const sum = sumOf(drawn);
  switch (kind) {
    case 'hold':
      return sum > 0 ? null : 'it reserves nothing';
    // What a claw-back does not find in the lots becomes debt.
    case 'clawback':
      return sum <= -delta ? null : `it draws ${sum} for a change of ${delta}`;
    case 'debit':
    case 'expiry':
    case 'capture':
      return sum === -delta ? null : `it draws ${sum} for a change of ${delta}`;
    case 'reversal': {
      const rest = delta - sum - Math.min(debt, delta);
      const fits = lot === null ? rest === 0 : rest > 0;
      return fits ? null : `it gives ${sum} of ${delta} to lots, and ${rest} to none`;
    }
    default:
      return sum === 0 ? null : 'it draws on lots';
  }
}

function findWrongHold({ holds, lots }: Account, entry: Entry): string | null {
  const { kind, holdId, createdAt, expiresAt } = entry;
  const hold = holds.find(({ id }) => id === holdId);
  switch (kind) {
    case 'hold':
      if (hold) return `the hold ${holdId} is open already`;
      return (expiresAt ?? 0) > createdAt ? null : 'its hold would have ended already';
    case 'release':
      if (!hold) return `the hold ${holdId} is not open`;
      return !isEndedByItself(entry) || hold.expiresAt <= createdAt
        ? null
        : 'it lets a hold expire before its time';
    case 'capture': {
      if (!hold) return `the hold ${holdId} is not open`;
      if (hold.expiresAt <= createdAt) return 'it captures a hold that has expired';
      return findWrongCapture(hold.parts, entry.draws ?? [], lots);
    }
    default:
      return null;
  }
}

/** What exceeds a hold comes from free credits, and only once the hold is used up. */
function findWrongCapture(
  parts: readonly Draw[],
  draws: readonly Draw[],
  lots: Account['lots'],
): string | null {
  const reserved = new Map(parts.map(({ lot, amount }) => [lot, amount]));
  const free = new Map(lots.map((lot) => [lot.seq, lot.free]));
  const beyond = draws.map(({ lot, amount }) => ({
    lot,
    amount: Math.max(amount - (reserved.get(lot) ?? 0), 0),
  }));
  if (sumOf(beyond) > 0 && sumOf(draws) - sumOf(beyond) < sumOf(parts)) {
    return 'it draws on free credits before its hold is used up';
  }
  return beyond.some(({ lot, amount }) => amount > (free.get(lot) ?? 0))
    ? 'it draws more than the hold and the lots have'
    : null;
}

function findEarlyExpiry({ lots }: Account, { kind, draws, createdAt }: Entry): string | null {
  if (kind !== 'expiry') return null;
  const drawn = lots.filter(({ seq }) => draws?.some(({ lot }) => lot === seq));
  const isDue = drawn.every(({ expiresAt }) => expiresAt !== null && expiresAt <= createdAt);
  return isDue ? null : 'it lets a lot expire before its time';
}

function findWrongReversal({ kind, reversesSeq }: Entry, reversed: Reversed | null): string | null {
  if (kind !== 'reversal') return null;
  if (reversed?.kind !== 'debit' && reversed?.kind !== 'capture') {
    return `it reverses entry ${reversesSeq}, which is no debit and no capture`;
  }
  return reversed.given > -reversed.delta
    ? `more of entry ${reversesSeq} is given back than it took`
    : null;
}
