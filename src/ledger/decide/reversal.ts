import { sum } from '../../sum.ts';
import type { Account } from '../account.ts';
import { MAX_BALANCE, type ReverseCommand } from '../command.ts';
import type { Draw, Entry, Terms } from '../entry.ts';
import { termsOf } from '../evolve.ts';
import {
  bringsIn,
  type Decision,
  joinedLot,
  nextEntry,
  postedOne,
  refused,
  type Surroundings,
} from './posting.ts';

/** Credits whose payment was clawed back meanwhile come back like this, to cost no others. */
const BOUGHT: Terms = { category: 'purchase', priority: 0, expiresAt: null };

/**
 * Gives back what a debit or a capture has taken: debt first, then to the lots it drew, newest draw
 * first. One that has expired takes it, and it expires at once.
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
  const parts = takeAfter((taken.draws ?? []).toReversed(), given + repaid, amount - repaid);
  const draws = placesOf(before, parts, around);
  const placed = sum(draws.map(({ amount }) => amount));
  const entry: Entry = {
    ...nextEntry(before, command, command, around),
    kind: 'reversal',
    delta: amount,
    balance: before.balance + amount,
    draws,
    reversesSeq: taken.seq,
  };
  if (placed + repaid === amount) return postedOne(before, entry);
  const lot = bringsIn(before, amount - placed, BOUGHT, around.limits);
  return postedOne(before, { ...entry, ...lot, category: BOUGHT.category });
}

/** Of the draws in their order, `amount` credits after the first `skipped`. */
function takeAfter(draws: readonly Draw[], skipped: number, amount: number): readonly Draw[] {
  let before = 0;
  return draws.flatMap(({ lot, amount: drawn }) => {
    const from = Math.max(before, skipped);
    const to = Math.min(before + drawn, skipped + amount);
    before += drawn;
    return to > from ? [{ lot, amount: to - from }] : [];
  });
}

/** Which lots take the parts; those that none of the old ones should take are left out. */
function placesOf(account: Account, parts: readonly Draw[], around: Surroundings): readonly Draw[] {
  const open = new Set(account.lots.map(({ seq }) => seq));
  const places = new Map<number, Draw>();
  for (const { lot, amount } of parts) {
    const opener = around.entry(lot);
    if (!opener || isClawedBack(lot, around)) continue;
    const reopens = open.has(lot) ? null : termsOf(opener);
    const joined = reopens && joinedLot(account, reopens, around.limits);
    const place = joined ?? lot;
    const sum = (places.get(place)?.amount ?? 0) + amount;
    places.set(place, { lot: place, amount: sum, ...(reopens && !joined && { reopens }) });
  }
  return [...places.values()];
}

function isClawedBack(seq: number, { reversing }: Surroundings): boolean {
  return sum(reversing(seq).map(({ delta }) => delta)) < 0;
}
