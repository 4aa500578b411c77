import { type Account, available, evolve, type Lot } from './account.ts';
import {
  type Command,
  type DebitCommand,
  type Grant,
  type GrantCommand,
  MAX_BALANCE,
  type Refusal,
} from './command.ts';
import type { Category, Draw, Entry } from './entry.ts';
import { requestKey } from './request-key.ts';

/**
 * An account never has many more open lots than this: beyond it a grant joins the newest lot of
 * its category, so that the state which every transaction writes stays small.
 */
export const MAX_OPEN_LOTS = 200;

/** What is spent first: given credits before bought ones, within a category the oldest lot. */
const BURN_ORDER: Readonly<Record<Category, number>> = {
  bonus: 0,
  adjustment: 1,
  included: 2,
  purchase: 3,
};

/** What decide may not make up itself: the time, in milliseconds since 1970, and entry ids. */
export interface Surroundings {
  readonly now: number;
  readonly newId: () => string;
}

export type Decision =
  | {
      readonly ok: true;
      readonly entries: readonly [Entry, ...Entry[]];
      readonly account: Account;
    }
  | { readonly ok: false; readonly refusal: Refusal };

/**
 * The rules of the ledger: what `command` does to `account`. Pure; the caller has locked the
 * account, so what is decided here is what is written.
 */
export function decide(account: Account, command: Command, around: Surroundings): Decision {
  switch (command.kind) {
    case 'grant':
      return decideGrant(account, command, around);
    case 'debit':
      return decideDebit(account, command, around);
  }
}

function decideGrant(before: Account, command: GrantCommand, around: Surroundings): Decision {
  const [first, ...others] = command.grants;
  const lead = grantEntry(before, command, first, around);
  let account = evolve(before, lead);
  const entries: [Entry, ...Entry[]] = [lead];
  for (const grant of others) {
    const entry = { ...grantEntry(account, command, grant, around), ...NO_KEYS, leadSeq: lead.seq };
    account = evolve(account, entry);
    entries.push(entry);
  }
  if (account.balance > MAX_BALANCE) return { ok: false, refusal: { code: 'balance_limit' } };
  return { ok: true, entries, account };
}

function grantEntry(
  account: Account,
  command: GrantCommand,
  grant: Grant,
  around: Surroundings,
): Entry {
  return {
    ...nextEntry(account, command, grant, around),
    kind: grant.category,
    delta: grant.amount,
    balance: account.balance + grant.amount,
    lot: grant.amount > account.debt ? lotFor(account, grant.category) : null,
    stripeEventId: command.stripeEventId,
    grantKey: command.grantKey,
  };
}

function lotFor(account: Account, category: Category): number {
  const joined =
    account.lots.length >= MAX_OPEN_LOTS &&
    account.lots.findLast((lot) => lot.category === category);
  return joined ? joined.seq : account.seq + 1;
}

function decideDebit(before: Account, command: DebitCommand, around: Surroundings): Decision {
  const { amount } = command;
  if (available(before) < amount) {
    const { balance } = before;
    const refusal: Refusal = {
      code: 'insufficient_credits',
      balance,
      available: available(before),
      required: amount,
    };
    return { ok: false, refusal };
  }
  const entry: Entry = {
    ...nextEntry(before, command, command, around),
    kind: 'debit',
    delta: -amount,
    balance: before.balance - amount,
    draws: drawInBurnOrder(before.lots, amount),
  };
  return { ok: true, entries: [entry], account: evolve(before, entry) };
}

/** Takes `amount` from lots that together hold at least as much. */
function drawInBurnOrder(lots: readonly Lot[], amount: number): readonly Draw[] {
  const draws: Draw[] = [];
  let missing = amount;
  for (const lot of inBurnOrder(lots)) {
    const taken = Math.min(lot.free, missing);
    draws.push({ lot: lot.seq, amount: taken });
    missing -= taken;
    if (missing === 0) return draws;
  }
  throw new Error(`lots hold ${missing} credits fewer than the balance says`);
}

function inBurnOrder(lots: readonly Lot[]): readonly Lot[] {
  return lots.toSorted((a, b) => BURN_ORDER[a.category] - BURN_ORDER[b.category] || a.seq - b.seq);
}

const NO_KEYS = {
  stripeEventId: null,
  grantKey: null,
  idempotencyKey: null,
  requestHash: null,
} as const;

/** The parts that every entry has, with the keys of a command that has none. */
function nextEntry(
  account: Account,
  command: Command,
  note: Pick<Entry, 'reason' | 'ref' | 'metadata'>,
  { now, newId }: Surroundings,
) {
  return {
    userId: account.userId,
    seq: account.seq + 1,
    id: newId(),
    held: account.held,
    lot: null,
    draws: null,
    leadSeq: null,
    actor: command.actor,
    reason: note.reason,
    ref: note.ref,
    metadata: note.metadata,
    ...NO_KEYS,
    ...requestKey(command),
    createdAt: Math.max(now, account.updatedAt),
  };
}
