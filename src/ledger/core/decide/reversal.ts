import { sum } from '../../../sum.ts';
import type { Account } from '../account.ts';
import { MAX_BALANCE, type ReverseCommand } from '../command.ts';
import type { Draw, Entry, Terms } from '../entry.ts';
import { termsOf } from '../evolve.ts';
import { foldGrant } from '../payment.ts';
import {
  bringsIn,
  type Decision,
  joinedLot,
  nextEntry,
  type OpenLot,
  postedOne,
  refused,
  type Surroundings,
} from './posting.ts';

/** What none of the old lots should take comes back like this, to cost nobody anything. */
const BOUGHT: Terms = { category: 'purchase', priority: 0, expiresAt: null };

/** Credits that were drawn from a lot; null for those that go back to none. */
interface Part {
  readonly lot: number | null;
  readonly amount: number;
}

/**
 * Gives back what a debit or a capture has taken: debt first, then to the lots it drew, newest draw
 * first. One that has expired takes it, and it expires at once. Where other credits had to stand in
 * for a lot whose payment was clawed back, or no further lot may be open, it comes back without
 * expiry.
 */
export function decideReversal(
  before: Account,
  command: ReverseCommand,
  around: Surroundings,
): Decision {
  const taken = around.entry(command.reversesSeq);
  if (!taken) return refused({ code: 'entry_not_found' });
  if (taken.kind !== 'debit' && taken.kind !== 'capture')
    return refused({ code: 'not_reversible' });
  const reversals = around.reversing(taken.seq);
  const given = sum(reversals.map(({ delta }) => delta));
  const reversible = -taken.delta - given;
  const amount = command.amount ?? reversible;
  if (amount > reversible || reversible === 0) {
    return refused({ code: 'reversal_exceeds_entry', reversible });
  }
  if (before.balance + amount > MAX_BALANCE) return refused({ code: 'balance_limit' });
  const repaid = Math.min(before.debt, amount);
  const parts = takeAfter(partsOf(taken, around), given + repaid, amount - repaid);
  const { draws, lots } = placesOf(before, parts, around);
  const placed = sum(draws.map(({ amount }) => amount));
  const entry = nextEntry(before, command, command, around, {
    kind: 'reversal',
    delta: amount,
    draws,
    reversesSeq: taken.seq,
    ...(placed + repaid < amount && {
      ...bringsIn({ ...before, lots }, amount - placed, BOUGHT, around.limits),
      category: BOUGHT.category,
    }),
  });
  return postedOne(before, entry);
}

/** What was taken, newest draw first. Of each lot comes first what others have stood in for. */
function partsOf({ draws }: Entry, around: Surroundings): readonly Part[] {
  return (draws ?? []).toReversed().flatMap(({ lot, amount }) => {
    const stoodIn = Math.min(amount, clawedElsewhere(lot, around));
    return [
      { lot: null, amount: stoodIn },
      { lot, amount: amount - stoodIn },
    ];
  });
}

/**
 * How many credits of what was granted into a lot were clawed back from other lots, or as debt,
 * because the lot had spent them. How many of them came back by other reversals is not counted:
 * that could only cost the user.
 */
function clawedElsewhere(lot: number, around: Surroundings): number {
  const granted = [openerOf(lot, around), ...around.joining(lot)].flatMap((entry) => {
    if (entry.kind === 'reversal') return [];
    return entry.kind === 'reinstatement' ? (entry.reversesSeq ?? []) : entry.seq;
  });
  const grants = [...new Set(granted)].map((seq) =>
    foldGrant(openerOf(seq, around), around.reversing(seq)),
  );
  const own = grants.filter(({ lots }) => lots.includes(lot));
  return sum(own.map((grant) => grant.clawedElsewhere));
}

function openerOf(seq: number, { entry }: Surroundings): Entry {
  const opener = entry(seq);
  if (!opener) throw new Error(`entry ${seq} was not loaded with what is to be reversed`);
  return opener;
}

/** Of the parts in their order, `amount` credits after the first `skipped`. */
function takeAfter(parts: readonly Part[], skipped: number, amount: number): readonly Part[] {
  let before = 0;
  return parts.flatMap(({ lot, amount: drawn }) => {
    const from = Math.max(before, skipped);
    const to = Math.min(before + drawn, skipped + amount);
    before += drawn;
    return to > from ? [{ lot, amount: to - from }] : [];
  });
}

/**
 * Which lots take the parts, and the lots that are open then. Parts that none of the old lots should
 * take are left out.
 */
function placesOf(
  { lots: before }: Account,
  parts: readonly Part[],
  around: Surroundings,
): { readonly draws: readonly Draw[]; readonly lots: readonly OpenLot[] } {
  let lots: readonly OpenLot[] = before;
  const places = new Map<number, Draw>();
  const give = (lot: number, amount: number, reopens?: Terms) => {
    const given = places.get(lot) ?? { lot, amount: 0, ...(reopens && { reopens }) };
    places.set(lot, { ...given, amount: given.amount + amount });
  };
  for (const { lot, amount } of parts) {
    if (lot === null) continue;
    if (lots.some(({ seq }) => seq === lot)) {
      give(lot, amount);
      continue;
    }
    const terms = termsOf(openerOf(lot, around));
    if (lots.length < around.limits.openLots) {
      give(lot, amount, terms);
      lots = [...lots, { seq: lot, ...terms }].toSorted((a, b) => a.seq - b.seq);
      continue;
    }
    const joined = joinedLot({ lots }, terms, around.limits);
    if (joined !== null) give(joined, amount);
  }
  return { draws: [...places.values()], lots };
}
