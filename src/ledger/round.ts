import { pipelined, type Session } from '../db/session.ts';
import { SQLSTATE, sqlState } from '../db/sqlstate.ts';
import { type Account, emptyAccount, toState } from './account.ts';
import { append, type SealedEntry } from './append.ts';
import { chainHash, GENESIS, hashNote } from './chain.ts';
import type { Command, Outcome } from './command.ts';
import { decide, decideDue, type Surroundings } from './decide.ts';
import type { Entry } from './entry.ts';
import { createKnownKeys, type KnownKeys } from './known-keys.ts';
import { createPaymentBook, type PaymentBook } from './payment.ts';
import { findPaymentEntries, findReversed } from './payment-entries.ts';
import { requestKey } from './request-key.ts';
import * as store from './store.ts';

/**
 * What a round found out about a command: its outcome, that another transaction holds its account
 * (skipped), or that one is making its customer's row and had to be waited for (held).
 */
export type Verdict = Outcome | 'skipped' | 'held';

/** What a transaction is about to write, and what its callers will hear once it has committed. */
export interface Plan {
  readonly sealed: readonly SealedEntry[];
  /** In the order of the commands. */
  readonly verdicts: readonly Verdict[];
}

export interface RoundOptions {
  /** Wait for accounts that another transaction holds, instead of skipping them. */
  readonly wait: boolean;
  readonly newId: () => string;
}

/**
 * Begins a transaction, locks and loads the accounts of `commands`, and decides them in order.
 * Nothing is written yet but the rows of customers who get their first entry.
 */
export async function planRound(
  session: Session,
  commands: readonly Command[],
  options: RoundOptions,
): Promise<Plan> {
  const userIds = distinct(commands.map((command) => command.userId));
  const payments = paymentsOf(commands);
  const [, locked, heads, settled, reversed, ...leads] = await pipelined([
    store.begin(session),
    store.lock(session, userIds, options),
    store.load(session, userIds),
    findPaymentEntries(session, payments),
    findReversed(session, payments),
    ...findLeads(session, commands),
  ]);
  const book = createPaymentBook(settled, reversed);
  const draft = createDraft(createKnownKeys(leads.flat()), book, options.newId);
  const newcomers = draft.decideAll(commands, locked, heads);
  if (newcomers.length === 0) return draft.plan(commands, new Set());
  if (!(await makeRows(session, newcomers))) return draft.plan(commands, new Set(newcomers));
  const [lockedNow, headsNow] = await pipelined([
    store.lock(session, newcomers, options),
    store.load(session, newcomers),
  ]);
  draft.decideAll(commands, lockedNow, headsNow);
  return draft.plan(commands, new Set());
}

/**
 * Makes the newcomers' rows. False when another transaction is making one of them and does not
 * end: the rest of the batch goes on without them.
 */
async function makeRows(session: Session, newcomers: readonly string[]): Promise<boolean> {
  try {
    await pipelined([store.setSavepoint(session), store.createCustomers(session, newcomers)]);
    return true;
  } catch (error) {
    if (sqlState(error) !== SQLSTATE.lockNotAvailable) throw error;
    await store.returnToSavepoint(session);
    return false;
  }
}

/** Writes what was planned and commits. When it throws, see `isConnectionError`: the end is open. */
export async function commitRound(session: Session, { sealed }: Plan): Promise<void> {
  if (sealed.length === 0) return store.commit(session);
  await pipelined([append(session, sealed), store.commit(session)]);
}

/**
 * Whether a plan whose commit was cut off took effect. On a connection of its own, waits for the
 * lock of one account it wrote to, which outlasts the old transaction, and looks for the entry.
 */
export async function wasCommitted(session: Session, { sealed }: Plan): Promise<boolean> {
  const [probe] = sealed;
  if (!probe) return true;
  const { userId, seq, id } = probe.entry;
  await store.begin(session);
  await store.createCustomers(session, [userId]);
  await store.lock(session, [userId], { wait: true });
  const found = await store.findEntryId(session, userId, seq);
  await store.commit(session);
  return found === id;
}

function paymentsOf(commands: readonly Command[]): readonly string[] {
  const settling = commands.filter((command) => command.kind === 'settle_payment');
  return distinct(settling.map(({ payment }) => payment));
}

function findLeads(session: Session, commands: readonly Command[]) {
  const asked = commands.flatMap((command) => {
    const key = requestKey(command)?.idempotencyKey;
    return key ? [{ userId: command.userId, key }] : [];
  });
  const grants = commands.filter((command) => command.kind === 'grant');
  const settling = commands.filter((command) => command.kind === 'settle_payment');
  const eventIds = [...grants, ...settling].flatMap(({ stripeEventId }) => stripeEventId ?? []);
  const grantKeys = grants.flatMap(({ grantKey }) => grantKey ?? []);
  return [
    store.findByIdempotencyKeys(
      session,
      asked.map(({ userId }) => userId),
      asked.map(({ key }) => key),
    ),
    store.findByGlobalKeys(session, eventIds, grantKeys),
  ];
}

/** An account as it stands after the commands decided so far, with the entries to write. */
interface OpenAccount {
  account: Account;
  hash: string;
  readonly now: number;
  readonly sealed: SealedEntry[];
}

/** Collects the decisions of one transaction. */
function createDraft(known: KnownKeys, book: PaymentBook, newId: () => string) {
  const verdicts: (Outcome | undefined)[] = [];
  const open = new Map<string, OpenAccount>();

  function surroundings(userId: string, now: number): Surroundings {
    return { now, newId, payment: (key) => book.find(userId, key) };
  }

  function post(account: OpenAccount, command: Command): Outcome {
    const around = surroundings(command.userId, account.now);
    const decision = decide(account.account, command, around);
    if (!decision.ok) return decision;
    seal(account, decision);
    // What came too late to be spent expires at once, before a later command of this batch.
    if (command.kind !== 'debit') seal(account, decideDue(account.account, around));
    book.remember(decision.entries);
    if (decision.entries.length > 0) known.remember(decision.lead);
    return { ok: true, entry: decision.lead, replayed: decision.entries.length === 0 };
  }

  /** The account as the round first touches it, with what was due by itself already posted. */
  function openAccount({ account, hash, now }: store.Head): OpenAccount {
    const existing = open.get(account.userId);
    if (existing) return existing;
    const fresh: OpenAccount = { account, hash: hash ?? GENESIS, now, sealed: [] };
    open.set(account.userId, fresh);
    seal(fresh, decideDue(account, surroundings(account.userId, now)));
    return fresh;
  }

  /** An account without entries may have no row to lock: it can be refused, but not written to. */
  function refuseOrDefer(userId: string, command: Command): Outcome | null {
    const decision = decide(emptyAccount(userId), command, surroundings(userId, 0));
    return decision.ok ? null : decision;
  }

  return {
    /** Decides what is not decided yet; returns the users who need a row before they get entries. */
    decideAll(
      commands: readonly Command[],
      locked: ReadonlySet<string>,
      heads: ReadonlyMap<string, store.Head>,
    ): readonly string[] {
      const deferred = new Set<string>();
      for (const [i, command] of commands.entries()) {
        const { userId } = command;
        const head = heads.get(userId);
        if (verdicts[i] || !head) continue;
        const replay = known.replay(command);
        if (replay) {
          verdicts[i] = replay;
        } else if (locked.has(userId)) {
          verdicts[i] = post(openAccount(head), command);
        } else if (head.account.seq === 0 && !deferred.has(userId)) {
          const refusal = refuseOrDefer(userId, command);
          if (refusal) verdicts[i] = refusal;
          else deferred.add(userId);
        }
      }
      return [...deferred].sort();
    },

    plan(commands: readonly Command[], held: ReadonlySet<string>): Plan {
      return {
        sealed: [...open.values()].flatMap(withStateOnTheLast),
        verdicts: commands.map(
          ({ userId }, i) => verdicts[i] ?? (held.has(userId) ? 'held' : 'skipped'),
        ),
      };
    },
  };
}

/** Chains entries to the account's history and leaves the account as they do. */
function seal(
  open: OpenAccount,
  { account, entries }: { readonly account: Account; readonly entries: readonly Entry[] },
): void {
  for (const entry of entries) {
    const noteHash = hashNote(entry);
    open.hash = chainHash(open.hash, entry, noteHash);
    open.sealed.push({ entry, noteHash, hash: open.hash, state: null });
  }
  open.account = account;
}

function withStateOnTheLast({ account, sealed }: OpenAccount): readonly SealedEntry[] {
  return sealed.map((one, i) =>
    i === sealed.length - 1 ? { ...one, state: toState(account) } : one,
  );
}

function distinct(userIds: readonly string[]): readonly string[] {
  return [...new Set(userIds)].sort();
}
