import { type Account, available, evolve, expiredLots, type Lot } from './account.ts';
import { drawUpTo, inBurnOrder } from './burn-order.ts';
import {
  type Command,
  type DebitCommand,
  type Grant,
  type GrantCommand,
  MAX_BALANCE,
  type Refusal,
  type SettlePaymentCommand,
} from './command.ts';
import type { Actor, Entry, Note } from './entry.ts';
import { clawBackTargets, type Payment, type PaymentGrant } from './payment.ts';
import { requestKey } from './request-key.ts';

/**
 * An account never has many more open lots than this: beyond it a grant joins the newest lot of
 * its terms, so that the state which every transaction writes stays small.
 */
export const MAX_OPEN_LOTS = 200;

/** What decide may not make up or look up itself. */
export interface Surroundings {
  /** In milliseconds since 1970. */
  readonly now: number;
  readonly newId: () => string;
  /** The payment under a grant key, or null when it granted nothing to this account. */
  readonly payment: (key: string) => Payment | null;
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
  | { readonly ok: false; readonly refusal: Refusal };

/**
 * The rules of the ledger: what `command` does to `account`. Pure; the caller has locked the
 * account and posted what is due, so what is decided here is what is written.
 */
export function decide(account: Account, command: Command, around: Surroundings): Decision {
  switch (command.kind) {
    case 'grant':
      return decideGrant(account, command, around);
    case 'debit':
      return decideDebit(account, command, around);
    case 'settle_payment':
      return decideSettlement(account, command, around);
  }
}

/**
 * What happens to `account` by itself before any command: lots whose time has come expire. It
 * belongs to the account and not to the command, so it is written even when that is refused.
 */
export function decideDue(
  account: Account,
  around: Surroundings,
): { readonly account: Account; readonly entries: readonly Entry[] } {
  return postAll(account, expiredLots(account, around.now), (before, lot) => ({
    ...nextEntry(before, NOBODY, NO_NOTE, around),
    kind: 'expiry',
    delta: -lot.free,
    balance: before.balance - lot.free,
    draws: [{ lot: lot.seq, amount: lot.free }],
  }));
}

function decideGrant(before: Account, command: GrantCommand, around: Surroundings): Decision {
  const { account, entries } = postAll(before, command.grants, (after, grant) =>
    grantEntry(after, command, grant, around),
  );
  if (account.balance > MAX_BALANCE) return { ok: false, refusal: { code: 'balance_limit' } };
  return posted(before, account, entries);
}

function grantEntry(
  account: Account,
  command: GrantCommand,
  grant: Grant,
  around: Surroundings,
): Entry {
  const { category, amount, expiresAt } = grant;
  return {
    ...nextEntry(account, command, grant, around),
    kind: category,
    delta: amount,
    balance: account.balance + amount,
    lot: amount > account.debt ? lotFor(account, { category, expiresAt }) : null,
    expiresAt,
    payment: command.grantKey,
    invoiceLine: grant.invoiceLine,
    stripeEventId: command.stripeEventId,
    grantKey: command.grantKey,
  };
}

function lotFor(account: Account, terms: Pick<Lot, 'category' | 'expiresAt'>): number {
  const joined =
    account.lots.length >= MAX_OPEN_LOTS &&
    account.lots.findLast(
      (lot) => lot.category === terms.category && lot.expiresAt === terms.expiresAt,
    );
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
  const draws = drawUpTo(inBurnOrder(before.lots), amount);
  const drawn = draws.reduce((sum, draw) => sum + draw.amount, 0);
  if (drawn < amount) throw new Error(`lots hold ${amount - drawn} credits fewer than they should`);
  const entry: Entry = {
    ...nextEntry(before, command, command, around),
    kind: 'debit',
    delta: -amount,
    balance: before.balance - amount,
    draws,
  };
  return { ok: true, entries: [entry], account: evolve(before, entry), lead: entry };
}

/** Each grant of the payment is moved to its own target, so that its own lot gives first. */
function decideSettlement(
  before: Account,
  command: SettlePaymentCommand,
  around: Surroundings,
): Decision {
  const payment = around.payment(command.payment);
  if (!payment) return { ok: false, refusal: { code: 'payment_not_granted' } };
  const targets = clawBackTargets(payment);
  const changes = payment.grants.map((grant, i) => ({
    grant,
    // Positive: still to be clawed back. Negative: to be reinstated.
    change: (targets[i] ?? 0) - grant.clawedBack,
  }));
  const { account, entries } = postAll(
    before,
    // What comes back comes first, so that what is taken then finds it, instead of others' credits.
    changes
      .flatMap(inOwnTerms)
      .filter(({ change }) => change !== 0)
      .toSorted((a, b) => Math.sign(a.change) - Math.sign(b.change)),
    (after, { grant, change }) =>
      change > 0
        ? clawBackEntry(after, command, grant, change, around)
        : reinstatementEntry(after, command, grant, -change, around),
  );
  if (account.balance > MAX_BALANCE) return { ok: false, refusal: { code: 'balance_limit' } };
  if (entries.length > 0) return posted(before, account, entries);
  return { ok: true, entries, account: before, lead: payment.newest };
}

interface Change {
  readonly grant: PaymentGrant;
  readonly change: number;
}

/**
 * A reinstatement gives credits on the grant's terms, but for those that a claw-back took from other
 * lots or as debt: these come back without expiry, or a dispute that is won would cost other credits.
 */
function inOwnTerms({ grant, change }: Change): readonly Change[] {
  if (change >= 0 || grant.expiresAt === null) return [{ grant, change }];
  const elsewhere = Math.min(-change, grant.clawedElsewhere);
  return [
    { grant: { ...grant, expiresAt: null }, change: -elsewhere },
    { grant, change: change + elsewhere },
  ];
}

/** From the payment's own lot first, then from the others' free credits, and only then debt. */
function clawBackEntry(
  account: Account,
  command: SettlePaymentCommand,
  grant: PaymentGrant,
  amount: number,
  around: Surroundings,
): Entry {
  const own = account.lots.filter(({ seq }) => grant.lots.includes(seq));
  const others = account.lots.filter(({ seq }) => !grant.lots.includes(seq));
  return {
    ...nextEntry(account, command, command, around),
    kind: 'clawback',
    delta: -amount,
    balance: account.balance - amount,
    draws: drawUpTo([...own, ...inBurnOrder(others)], amount),
    payment: command.payment,
    reversesSeq: grant.seq,
    stripeEventId: command.stripeEventId,
  };
}

/** Pays debt first; the rest opens a lot on the grant's terms. */
function reinstatementEntry(
  account: Account,
  command: SettlePaymentCommand,
  { seq, category, expiresAt }: PaymentGrant,
  amount: number,
  around: Surroundings,
): Entry {
  return {
    ...nextEntry(account, command, command, around),
    kind: 'reinstatement',
    delta: amount,
    balance: account.balance + amount,
    lot: amount > account.debt ? lotFor(account, { category, expiresAt }) : null,
    category,
    expiresAt,
    payment: command.payment,
    reversesSeq: seq,
    stripeEventId: command.stripeEventId,
  };
}

/** Makes an entry of each item, on the account as the one before has left it. */
function postAll<Item>(
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
function posted(before: Account, account: Account, [lead, ...others]: readonly Entry[]): Decision {
  if (!lead) throw new Error(`a command for account ${before.userId} made no entry`);
  const followers = others.map((entry) => ({ ...entry, ...NO_KEYS, leadSeq: lead.seq }));
  return { ok: true, entries: [lead, ...followers], account, lead };
}

const NO_KEYS = {
  stripeEventId: null,
  grantKey: null,
  idempotencyKey: null,
  requestHash: null,
} as const;

const NO_NOTE: Note = { reason: null, ref: null, metadata: null };

/** Who causes what happens by itself. */
const NOBODY = { actor: 'system', idempotencyKey: null } as const;

/** The parts that every entry has, with the keys of a command that has none. */
function nextEntry(
  account: Account,
  command: Command | { readonly actor: Actor; readonly idempotencyKey: null },
  note: Note,
  { now, newId }: Surroundings,
) {
  return {
    userId: account.userId,
    seq: account.seq + 1,
    id: newId(),
    held: account.held,
    lot: null,
    category: null,
    expiresAt: null,
    draws: null,
    payment: null,
    invoiceLine: null,
    reversesSeq: null,
    leadSeq: null,
    actor: command.actor,
    reason: note.reason,
    ref: note.ref,
    metadata: note.metadata,
    ...NO_KEYS,
    ...('kind' in command ? requestKey(command) : null),
    createdAt: Math.max(now, account.updatedAt),
  };
}
