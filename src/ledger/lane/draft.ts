import { type Account, dueAt } from '../core/account.ts';
import { type Alert, type AlertRules, alertsOf, expiringAlerts } from '../core/alert.ts';
import type { Command, Outcome } from '../core/command.ts';
import { decide } from '../core/decide/decide.ts';
import { decideDue } from '../core/decide/due.ts';
import type { Surroundings } from '../core/decide/posting.ts';
import type { Entry } from '../core/entry.ts';
import type { Limits } from '../core/limits.ts';
import type { PaymentBook } from '../core/payment.ts';
import type * as store from '../store/accounts.ts';
import type { SealedEntry } from '../store/append.ts';
import { chainHash, GENESIS, hashNote } from '../store/chain.ts';
import { toState } from '../store/state.ts';
import type { EntryBook } from './entry-book.ts';
import type { KnownKeys } from './known-keys.ts';

/**
 * What a round found out about a command: its outcome, that another transaction holds its account
 * or that it reverses what this one writes (skipped), or that one is making its customer's row and
 * had to be waited for (held).
 */
export type Verdict = Outcome | 'skipped' | 'held';

/** What a transaction is about to write, and what its callers will hear once it has committed. */
export interface Plan {
  readonly sealed: readonly SealedEntry[];
  readonly alerts: readonly Alert[];
  /** When the sweep must look at which accounts; null for never. */
  readonly due: readonly { readonly userId: string; readonly dueAt: number | null }[];
  /** In the order of the commands. */
  readonly verdicts: readonly Verdict[];
}

/** What commands are decided by, beside what they name. */
export interface Rules {
  readonly newId: () => string;
  readonly limits: Limits;
  readonly alertRules: AlertRules;
  /** Added to the database's clock, in milliseconds. */
  readonly clockOffset: number;
}

/** An account as it stands after the commands decided so far, with the entries to write. */
interface OpenAccount {
  account: Account;
  hash: string;
  readonly now: number;
  /** When the sweep will look at it, as things are. */
  readonly sweptAt: number | null;
  /** Whether the sweep has just looked. */
  swept: boolean;
  readonly sealed: SealedEntry[];
  readonly alerts: Alert[];
}

/** What the commands of a round name. */
interface Books {
  readonly known: KnownKeys;
  readonly payments: PaymentBook;
  readonly named: EntryBook;
}

/** Collects the decisions of one transaction. */
export function createDraft(
  { newId, limits, alertRules, clockOffset }: Rules,
  { known, payments, named }: Books,
) {
  const verdicts: (Outcome | undefined)[] = [];
  const open = new Map<string, OpenAccount>();
  /** Accounts of which the other commands must be decided in a later round. */
  const closed = new Set<string>();

  function surroundings(userId: string, now: number): Surroundings {
    return {
      ...{ now, newId, limits },
      payment: (key) => payments.find(userId, key),
      hold: (id) => named.hold(userId, id),
      entry: (seq) => named.entry(userId, seq),
      reversing: (seq) => named.reversing(userId, seq),
      joining: (lot) => named.joining(userId, lot),
    };
  }

  function post(account: OpenAccount, command: Command): Outcome {
    const around = surroundings(command.userId, account.now);
    const decision = decide(account.account, command, around);
    if (!decision.ok) {
      if (command.kind === 'post_due') sweep(account);
      return decision;
    }
    seal(account, decision, alertRules);
    // What came too late to be spent expires at once, before a later command of this batch.
    if (command.kind !== 'debit') seal(account, decideDue(account.account, around), alertRules);
    payments.remember(decision.entries);
    named.remember(decision.entries);
    if (decision.entries.length > 0) known.remember(decision.lead);
    return { ok: true, entry: decision.lead, replayed: decision.entries.length === 0 };
  }

  function sweep(account: OpenAccount): void {
    account.swept = true;
    account.alerts.push(...expiringAlerts(account.account, alertRules, account.now));
  }

  /** The account as the round first touches it, with what was due by itself already posted. */
  function openAccount(head: store.Head, sweptAt: number | null): OpenAccount {
    const { account, hash } = head;
    const now = head.now + clockOffset;
    const existing = open.get(account.userId);
    if (existing) return existing;
    const chained = { account, hash: hash ?? GENESIS };
    const fresh: OpenAccount = { ...chained, now, sweptAt, swept: false, sealed: [], alerts: [] };
    open.set(account.userId, fresh);
    const due = decideDue(account, { now, newId });
    seal(fresh, due, alertRules);
    named.remember(due.entries);
    return fresh;
  }

  /** An account without entries may have no row to lock: it can be refused, but not written to. */
  function refuseOrDefer({ account, now }: store.Head, command: Command): Outcome | null {
    const around = surroundings(command.userId, now + clockOffset);
    const decision = decide(account, command, around);
    return decision.ok ? null : decision;
  }

  return {
    /** Decides what is not decided yet; returns the users who need a row before they get entries. */
    decideAll(
      commands: readonly Command[],
      locked: store.Locked,
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
          const account = openAccount(head, locked.get(userId) ?? null);
          if (reversesOwnRound(command, head, account)) closed.add(userId);
          if (!closed.has(userId)) verdicts[i] = post(account, command);
        } else if (head.account.seq === 0 && !deferred.has(userId)) {
          const refusal = refuseOrDefer(head, command);
          if (refusal) verdicts[i] = refusal;
          else deferred.add(userId);
        }
      }
      return [...deferred].sort();
    },

    plan(commands: readonly Command[], held: ReadonlySet<string>): Plan {
      return {
        sealed: [...open.values()].flatMap(withStateOnTheLast),
        alerts: [...open.values()].flatMap(({ alerts }) => alerts),
        due: [...open.values()].flatMap((one) => changedSchedule(one, alertRules)),
        verdicts: commands.map(
          ({ userId }, i) => verdicts[i] ?? (held.has(userId) ? 'held' : 'skipped'),
        ),
      };
    },
  };
}

/** Whether it reverses what this round has just posted: what that drew was not loaded. */
function reversesOwnRound(command: Command, head: store.Head, { account }: OpenAccount): boolean {
  if (command.kind !== 'reverse') return false;
  return command.reversesSeq > head.account.seq && command.reversesSeq <= account.seq;
}

/** Chains entries to the account's history and leaves the account as they do. */
function seal(
  open: OpenAccount,
  { account, entries }: { readonly account: Account; readonly entries: readonly Entry[] },
  alertRules: AlertRules,
): void {
  open.alerts.push(...alertsOf(open.account, entries, account, alertRules));
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

/** Commands only move it earlier, so that a hold and its end cost no update; the sweep moves it on. */
function changedSchedule(
  { account, now, sweptAt, swept }: OpenAccount,
  { expiringWithin }: AlertRules,
): Plan['due'] {
  const next = dueAt(account, { now, expiringWithin });
  const isEarlier = next !== null && (sweptAt === null || next < sweptAt);
  return isEarlier || (swept && next !== sweptAt) ? [{ userId: account.userId, dueAt: next }] : [];
}
