import { type Account, type Hold, sumOf } from '../account.ts';
import { drawInBurnOrder, drawUpTo } from '../burn-order.ts';
import type { CaptureCommand, HoldCommand, ReleaseCommand } from '../command.ts';
import type { Draw, Entry } from '../entry.ts';
import {
  type Decision,
  findShortage,
  nextEntry,
  postedOne,
  type Refused,
  refused,
  type Surroundings,
  timeOf,
} from './posting.ts';

export function decideHold(before: Account, command: HoldCommand, around: Surroundings): Decision {
  const { amount, seconds, operation } = command;
  const holdId = command.holdId ?? around.newId();
  if (around.hold(holdId).length > 0) return refused({ code: 'hold_exists' });
  const shortage = findShortage(before, amount);
  if (shortage) return shortage;
  const limit = around.limits.openHolds;
  if (before.holds.length >= limit) return refused({ code: 'too_many_holds', limit });
  const entry = nextEntry(before, command, command, around, {
    kind: 'hold',
    delta: 0,
    held: before.held + amount,
    holdId,
    expiresAt: timeOf(before, around.now) + seconds * 1_000,
    draws: drawInBurnOrder(before.lots, amount),
    operation,
  });
  return postedOne(before, entry);
}

/** What a hold has reserved may always be captured, by a debtor too: it is a promise. */
export function decideCapture(
  before: Account,
  command: CaptureCommand,
  around: Surroundings,
): Decision {
  const hold = findOpenHold(before, command.holdId, around);
  if ('refusal' in hold) return hold;
  const held = sumOf(hold.parts);
  const amount = command.amount ?? held;
  const beyond = Math.max(amount - held, 0);
  if (beyond > 0 && !command.beyond) {
    return refused({ code: 'capture_exceeds_hold', held, required: amount });
  }
  const shortage = beyond > 0 ? findShortage(before, beyond) : null;
  if (shortage) return shortage;
  const reserved = hold.parts.map(({ lot, amount: free }) => ({ seq: lot, free }));
  const draws = [...drawUpTo(reserved, amount), ...drawInBurnOrder(before.lots, beyond)];
  const entry = nextEntry(before, command, command, around, {
    kind: 'capture',
    delta: -amount,
    held: before.held - held,
    holdId: hold.id,
    draws: mergeDraws(draws),
  });
  return postedOne(before, entry);
}

export function decideRelease(
  before: Account,
  command: ReleaseCommand,
  around: Surroundings,
): Decision {
  const hold = findOpenHold(before, command.holdId, around);
  if ('refusal' in hold) return hold;
  const entry = nextEntry(before, command, command, around, {
    kind: 'release',
    delta: 0,
    held: before.held - sumOf(hold.parts),
    holdId: hold.id,
  });
  return postedOne(before, entry);
}

function findOpenHold({ holds }: Account, holdId: string, around: Surroundings): Hold | Refused {
  const open = holds.find(({ id }) => id === holdId);
  if (open) return open;
  const end = around.hold(holdId).find(({ kind }) => kind !== 'hold');
  if (!end) return refused({ code: 'hold_not_found' });
  if (end.kind === 'capture') return refused({ code: 'hold_captured' });
  return refused({ code: isEndedByItself(end) ? 'hold_expired' : 'hold_released' });
}

/** Nobody but the account itself ends a hold when its time has come. */
export function isEndedByItself({ kind, actor, idempotencyKey }: Entry): boolean {
  return kind === 'release' && actor === 'system' && idempotencyKey === null;
}

function mergeDraws(draws: readonly Draw[]): readonly Draw[] {
  const byLot = new Map<number, number>();
  for (const { lot, amount } of draws) byLot.set(lot, (byLot.get(lot) ?? 0) + amount);
  return [...byLot].map(([lot, amount]) => ({ lot, amount }));
}
