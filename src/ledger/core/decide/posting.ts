import { type Account, available, type Lot } from '../account.ts';
import type { Command, Refusal } from '../command.ts';
import type { Entry, Note, Terms } from '../entry.ts';
import { evolve } from '../evolve.ts';
import type { Limits } from '../limits.ts';
import type { Payment } from '../payment.ts';
import { requestKey } from '../request-key.ts';

/** What decide may not make up or look up itself. */
export interface Surroundings {
  /** In milliseconds since 1970. */
  readonly now: number;
  readonly newId: () => string;
  readonly limits: Limits;
  /** The payment under a grant key, or null when it granted nothing to this account. */
  readonly payment: (key: string) => Payment | null;
  /** What opened a hold, to a command that opens one; what ended it, to one that ends it. */
  readonly hold: (id: string) => readonly Entry[];
  /** The entry of that `seq`; null when it does not exist. */
  readonly entry: (seq: number) => Entry | null;
  /** The entries that reverse, claw back or reinstate that one, oldest first. */
  readonly reversing: (seq: number) => readonly Entry[];
  /** The entries whose credits joined that lot after it was opened. */
  readonly joining: (lot: number) => readonly Entry[];
}

export type Decision =
  | {
      readonly ok: true;
      /** What to write; empty when what was asked for holds already. */
      readonly entries: readonly Entry[];
      readonly account: Account;
      /** The entry that answers: the first new one, or the one that had done it before. */
      readonly lead: Entry;
    }
  | Refused;

/** A command that changes nothing, and why. */
export interface Refused {
  readonly ok: false;
  readonly refusal: Refusal;
}

export function refused(refusal: Refusal): Refused {
  return { ok: false, refusal };
}

/** Why `amount` cannot be spent; null when it can. */
export function findShortage(account: Account, amount: number): Refused | null {
  if (available(account) >= amount) return null;
  return refused({
    code: 'insufficient_credits',
    balance: account.balance,
    available: available(account),
    required: amount,
  });
}

/** Makes an entry of each item, on the account as the one before has left it. */
export function postAll<Item>(
  before: Account,
  items: readonly Item[],
  entryOf: (account: Account, item: Item) => Entry,
): { readonly account: Account; readonly entries: readonly Entry[] } {
  const entries: Entry[] = [];
  let account = before;
  for (const item of items) {
    const entry = entryOf(account, item);
    account = evolve(account, entry);
    entries.push(entry);
  }
  return { account, entries };
}

/** Leaves a command's keys on its first entry, which the others name as their lead. */
export function posted(
  before: Account,
  account: Account,
  [lead, ...others]: readonly Entry[],
): Decision {
  if (!lead) throw new Error(`a command for account ${before.userId} made no entry`);
  const followers = others.map((entry) => ({ ...entry, ...NO_KEYS, leadSeq: lead.seq }));
  return { ok: true, entries: [lead, ...followers], account, lead };
}

/** The decision of a command that makes one entry. */
export function postedOne(before: Account, entry: Entry): Decision {
  return { ok: true, entries: [entry], account: evolve(before, entry), lead: entry };
}

/** What decides which credits may join a lot. */
export type OpenLot = Pick<Lot, 'seq' | keyof Terms>;

interface Taker extends Pick<Account, 'seq' | 'debt'> {
  readonly lots: readonly OpenLot[];
}

/** Which lot takes `amount` credits of these terms, once the debt is paid; null when none is left. */
export function bringsIn(account: Taker, amount: number, terms: Terms, limits: Limits) {
  const { priority, expiresAt } = terms;
  return {
    lot: amount > account.debt ? (joinedLot(account, terms, limits) ?? account.seq + 1) : null,
    priority: priority === 0 ? null : priority,
    expiresAt,
  };
}

/** The newest open lot of these terms, when the account has so many that no other may be opened. */
export function joinedLot(
  { lots }: Pick<Taker, 'lots'>,
  { category, priority, expiresAt }: Terms,
  { openLots }: Limits,
): number | null {
  if (lots.length < openLots) return null;
  const joined = lots.findLast(
    (lot) => lot.category === category && lot.priority === priority && lot.expiresAt === expiresAt,
  );
  return joined?.seq ?? null;
}

const NO_KEYS = {
  stripeEventId: null,
  grantKey: null,
  idempotencyKey: null,
  requestHash: null,
} as const;

export const NO_NOTE: Note = { reason: null, ref: null, metadata: null };

/** Who causes what happens by itself. */
export const NOBODY = { actor: 'system', idempotencyKey: null } as const;

/** What only some kinds of entries have. */
type Special =
  | 'held'
  | 'lot'
  | 'category'
  | 'priority'
  | 'expiresAt'
  | 'draws'
  | 'payment'
  | 'invoiceLine'
  | 'holdId'
  | 'operation'
  | 'reversesSeq'
  | 'stripeEventId'
  | 'grantKey';

/** What an entry does. What is left out is null, and of `held` what it was. */
interface Effect extends Pick<Entry, 'kind' | 'delta'>, Partial<Pick<Entry, Special>> {}

/**
 * The account's next entry, with the keys of the command if it has some. Every new entry is made
 * here, member by member, so that all have one shape to the engine, which reads them faster.
 */
export function nextEntry(
  account: Account,
  command: Command | typeof NOBODY,
  note: Note,
  { now, newId }: Pick<Surroundings, 'now' | 'newId'>,
  effect: Effect,
): Entry {
  const key = 'kind' in command ? requestKey(command) : null;
  return {
    userId: account.userId,
    seq: account.seq + 1,
    id: newId(),
    kind: effect.kind,
    delta: effect.delta,
    balance: account.balance + effect.delta,
    held: effect.held ?? account.held,
    lot: effect.lot ?? null,
    category: effect.category ?? null,
    priority: effect.priority ?? null,
    expiresAt: effect.expiresAt ?? null,
    draws: effect.draws ?? null,
    payment: effect.payment ?? null,
    invoiceLine: effect.invoiceLine ?? null,
    holdId: effect.holdId ?? null,
    operation: effect.operation ?? null,
    reversesSeq: effect.reversesSeq ?? null,
    leadSeq: null,
    actor: command.actor,
    reason: note.reason,
    ref: note.ref,
    metadata: note.metadata,
    stripeEventId: effect.stripeEventId ?? null,
    grantKey: effect.grantKey ?? null,
    idempotencyKey: key?.idempotencyKey ?? null,
    requestHash: key?.requestHash ?? null,
    createdAt: timeOf(account, now),
  };
}

/** When the account's next entry is made: the clock may have gone back since the last one. */
export function timeOf(account: Account, now: number): number {
  return Math.max(now, account.updatedAt);
}
