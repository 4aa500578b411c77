import type pg from 'pg';
import { toPurserError } from '../db/sqlstate.ts';
import { type AlertRules, DEFAULT_ALERT_RULES } from './core/alert.ts';
import type { Command, Outcome, Settled } from './core/command.ts';
import type { Entry } from './core/entry.ts';
import { DEFAULT_LIMITS, type Limits } from './core/limits.ts';
import { createLanes, type LaneCounts } from './lane/lanes.ts';
import {
  type Balance,
  createBalanceReader,
  type HoldHistory,
  readBalancesAfter,
  readHold,
  readReplay,
} from './read/balance.ts';
import {
  type EntryFilter,
  type EntryPage,
  type PageQuery,
  readEntries,
  streamEntries,
} from './read/statement.ts';
import { readUsage, type Usage, type UsageQuery } from './read/usage.ts';

/** The one door through which balances change, and the reads beside it. */
export interface Ledger {
  /**
   * Carries out a command, exactly once per key, and answers after the commit. A refusal is a
   * value; errors are `invalid_request`, `overloaded`, `database_unavailable`, `outcome_unknown`.
   */
  readonly post: (command: Command) => Promise<Outcome>;
  /** The same of many at once, in their order: each with the outcome or the error it has alone. */
  readonly postAll: (commands: readonly Command[]) => Promise<readonly Settled[]>;
  /**
   * What became of a command that was carried out before, without carrying it out now: its first
   * outcome, `idempotency_conflict` when its key was used for another, null when it brings no known
   * key. What the use of an operation costs is not asked.
   */
  readonly replay: (command: Command) => Promise<Outcome | null>;
  readonly balance: (userId: string) => Promise<Balance>;
  /** The balances of those users who have newer entries than the `seq` that is known; one query. */
  readonly balancesAfter: (
    known: ReadonlyMap<string, number>,
  ) => Promise<ReadonlyMap<string, Balance>>;
  /** What became of a hold; null when the user never had one of that id. */
  readonly hold: (userId: string, holdId: string) => Promise<HoldHistory | null>;
  /** A page of the history, newest first. */
  readonly entries: (userId: string, page: PageQuery) => Promise<EntryPage>;
  /** The history up to now, oldest first, in batches; nothing is read ahead of its reader. */
  readonly stream: (userId: string, filter: EntryFilter) => AsyncGenerator<readonly Entry[]>;
  /** What was spent, summed up; null when that would be too many entries at once. */
  readonly usage: (userId: string, query: UsageQuery) => Promise<Usage | null>;
  readonly counts: Readonly<LaneCounts>;
  /** Finishes what was accepted, refuses the rest, and closes the lanes' connections. */
  readonly close: () => Promise<void>;
}

export interface LedgerOptions {
  /** The database's URL, for the connections that the lanes keep to themselves. */
  readonly url: string;
  /** The shared connections, for reads. */
  readonly pool: pg.Pool;
  /** Those for usage, which may take long, so that it keeps no other reader waiting. */
  readonly reports?: pg.Pool;
  /** How many transactions may be under way at once; a further one begins when it can be full. */
  readonly lanes?: number;
  readonly limits?: Limits;
  /** What the product is told of accounts; see `alertsOf`. */
  readonly alertRules?: AlertRules;
  /** For tests: how far this ledger's time is ahead of the database's clock, in milliseconds. */
  readonly clockOffset?: number;
}

export function createLedger({
  url,
  pool,
  reports = pool,
  lanes: count = 3,
  limits = DEFAULT_LIMITS,
  alertRules = DEFAULT_ALERT_RULES,
  clockOffset = 0,
}: LedgerOptions): Ledger {
  const counts: LaneCounts = {
    rounds: 0,
    commands: 0,
    skips: 0,
    splits: 0,
    unknownCommits: 0,
    lockViolations: 0,
  };
  const lanes = createLanes({ url, count, limits, alertRules, clockOffset, counts });
  return {
    counts,
    post: lanes.post,
    postAll: lanes.postAll,
    replay: (command) => readReplay(pool, command).catch(rethrow),
    balance: createBalanceReader(pool, clockOffset),
    balancesAfter: (known) => readBalancesAfter(pool, known, clockOffset).catch(rethrow),
    hold: (userId, holdId) => readHold(pool, userId, holdId, clockOffset).catch(rethrow),
    entries: (userId, page) => readEntries(pool, userId, page).catch(rethrow),
    usage: (userId, query) => readUsage(reports, userId, query).catch(rethrow),
    stream: (userId, filter) => streamEntries(pool, userId, filter),
    close: lanes.close,
  };
}

function rethrow(error: unknown): never {
  throw toPurserError(error);
}
