import { randomUUID } from 'node:crypto';
import {
  isCulpable,
  isPassing,
  isUnavailable,
  mayHaveHappened,
  SQLSTATE,
  sqlState,
  toPurserError,
  violatedConstraint,
} from '../../db/sqlstate.ts';
import { PurserError } from '../../errors.ts';
import type { AlertRules } from '../core/alert.ts';
import { checkCommand } from '../core/check-command.ts';
import type { Command, Outcome, Settled } from '../core/command.ts';
import type { Limits } from '../core/limits.ts';
import type { Plan, Verdict } from './draft.ts';
import { findOut } from './find-out.ts';
import { createLine, type Line } from './line.ts';
import { type Backlog, createQueue, type Waiting } from './queue.ts';
import { commitRound, planRound } from './round.ts';

/** The most commands of one transaction; when so many wait, another lane begins one. */
const BATCH = 1_000;
/** One that took too long halves the most for the next; each that goes well adds so many again. */
const GROWTH = 50;
/** The most that may wait, in all and for one account. */
const QUEUE = { total: 10_000, perAccount: 1_000 } as const;
/** After so many rounds in which another transaction held it, an account is waited for alone. */
const SKIPS_BEFORE_WAITING = 3;
const RETRIES = 3;

// In milliseconds. A caller hears within their sum and the time of `findOut`, which stay below the
// 5 s that are promised.
const QUEUE_TIMEOUT = 1_500;
const ROUND_TIMEOUT = 2_300;
/** What a last try on a new connection must have left of the time, to be worth it. */
const LAST_TRY = 1_200;

/** What the lanes have done, for tests. */
export interface LaneCounts {
  rounds: number;
  commands: number;
  skips: number;
  splits: number;
  unknownCommits: number;
  /** Two transactions wrote the same (user_id, seq): a bug in the locking, always 0. */
  lockViolations: number;
}

/** Carries out commands, many in one transaction, each account's in the order they came. */
export interface Lanes {
  /**
   * Resolves after the commit. Throws `invalid_request` for what no caller may ask for, and
   * `overloaded`, `database_unavailable`, `outcome_unknown`.
   */
  readonly post: (command: Command) => Promise<Outcome>;
  /** The same of many, in their order: each with the outcome or the error that it has alone. */
  readonly postAll: (commands: readonly Command[]) => Promise<readonly Settled[]>;
  /** Refuses new commands, finishes those that wait, and closes the connections. */
  readonly close: () => Promise<void>;
}

export interface LanesOptions {
  readonly url: string;
  /** How many transactions may be under way at once. */
  readonly count: number;
  readonly limits: Limits;
  readonly alertRules: AlertRules;
  /** See `LedgerOptions`. */
  readonly clockOffset: number;
  readonly counts: LaneCounts;
}

/**
 * An idle lane sends at once; while a transaction is in flight the commands that arrive are
 * collected, and taken together, up to a bound, as the next one. No timer, no added latency, and a
 * hot account gets faster as it gets hotter. Further lanes help where a whole transaction waits:
 * Postgres then carries out one while the next is decided. An account is in one of them at a time.
 */
export function createLanes({ url, count, counts, ...rules }: LanesOptions): Lanes {
  const queue = createQueue(QUEUE);
  const lanes = Array.from({ length: count }, createLine);
  const asides = createLine();
  const blocked: Backlog[] = [];
  let prepared = true;
  let most = BATCH;
  let closed = false;
  const overdue = setInterval(() => queue.dropOverdue(Date.now()), 100).unref();

  async function post(command: Command): Promise<Outcome> {
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    enter(command, (settled) => {
      if (settled instanceof PurserError) reject(settled);
      else resolve(settled);
    });
    wake();
    return promise;
  }

  /** One promise for all of them, which costs much less than one for each. */
  async function postAll(commands: readonly Command[]): Promise<readonly Settled[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const all: Settled[] = [];
    let left = commands.length;
    for (const [i, command] of commands.entries()) {
      const settle = (settled: Settled) => {
        all[i] = settled;
        left -= 1;
        if (left === 0) resolve();
      };
      try {
        enter(command, settle);
      } catch (error) {
        settle(toPurserError(error));
      }
    }
    wake();
    if (commands.length > 0) await promise;
    return all;
  }

  function enter(command: Command, settle: Waiting['settle']): void {
    if (closed) throw new PurserError('overloaded', { message: CLOSING });
    checkCommand(command);
    const deadline = Date.now() + QUEUE_TIMEOUT;
    const roundsEnd = deadline + ROUND_TIMEOUT;
    queue.add({ command, settle, deadline, roundsEnd, retries: 0, skips: 0 });
  }

  /** A further transaction costs more than a larger first one, until that is as large as may be. */
  function wake(): void {
    for (const [i, lane] of lanes.entries()) {
      const least = i === 0 ? 1 : BATCH;
      if (queue.size() >= least) lane.start(() => workThroughQueue(lane, least));
    }
  }

  async function workThroughQueue(lane: Line, least: number): Promise<void> {
    const take = () => (queue.size() < least ? [] : queue.take(most));
    let batch = take();
    if (batch.length === 0) return;
    for (; batch.length > 0; batch = take()) {
      await carryOut(lane, batch, { wait: false });
      queue.endRound(batch);
    }
    // What is left may have waited for its accounts, and be too little for this lane.
    wake();
  }

  /** Waits for the accounts that others hold, in turns, so that they harm nobody else. */
  async function workThroughBlocked(): Promise<void> {
    for (let backlog = blocked.shift(); backlog; backlog = blocked.shift()) {
      const batch = queue.takeFrom(backlog, BATCH);
      if (batch.length > 0) await carryOut(asides, batch, { wait: true });
      // Unless it has to be waited for once more, because its customer is still being made.
      queue.setAside(backlog.userId, blocked.includes(backlog));
      wake();
    }
  }

  async function carryOut(line: Line, all: Waiting[], how: { wait: boolean }): Promise<void> {
    // The half of a batch that failed comes here again, when its time may be over.
    const now = Date.now();
    const batch = dropLate(all, now);
    if (batch.length === 0) return;
    counts.rounds += 1;
    let plan: Plan | null = null;
    const timeLeft = Math.min(...batch.map(({ roundsEnd }) => roundsEnd - now), ROUND_TIMEOUT);
    const timer = setTimeout(line.breakOff, timeLeft);
    try {
      const session = await line.open({ url, prepared });
      const commands = batch.map(({ command }) => command);
      plan = await planRound(session, commands, {
        ...how,
        newId: randomUUID,
        ...rules,
      });
      await commitRound(session, plan);
    } catch (error) {
      clearTimeout(timer);
      line.breakOff();
      return recover(line, batch, plan, error, how);
    }
    clearTimeout(timer);
    most = Math.min(most + GROWTH, BATCH);
    deliver(batch, plan.verdicts);
  }

  function deliver(batch: readonly Waiting[], verdicts: readonly Verdict[]): void {
    const skipped: Waiting[] = [];
    const answers: (() => void)[] = [];
    for (const [i, waiting] of batch.entries()) {
      const verdict = verdicts[i];
      if (verdict === 'held') waiting.skips = SKIPS_BEFORE_WAITING;
      if (!verdict || verdict === 'skipped' || verdict === 'held') skipped.push(waiting);
      else answers.push(() => waiting.settle(verdict));
    }
    counts.commands += answers.length;
    if (skipped.length > 0) waitAgain(skipped);
    // Once the next round is on its way: Postgres then works while the answers are written
    // (measured at 64 connections: 1.2 to 1.3 times the debits of answering first).
    setImmediate(() => {
      for (const answer of answers) answer();
    });
  }

  function waitAgain(skipped: readonly Waiting[]): void {
    queue.putBack(skipped);
    for (const waiting of skipped) {
      waiting.skips += 1;
      if (waiting.skips < SKIPS_BEFORE_WAITING) continue;
      const backlog = queue.setAside(waiting.command.userId, true);
      if (!blocked.includes(backlog)) blocked.push(backlog);
    }
    counts.skips += skipped.length;
    if (blocked.length > 0) asides.start(workThroughBlocked);
  }

  /** After a round failed: answers, retries or splits, so that only a culprit gets the error. */
  async function recover(
    line: Line,
    batch: Waiting[],
    plan: Plan | null,
    error: unknown,
    how: { wait: boolean },
  ): Promise<void> {
    if (plan && mayHaveHappened(error)) {
      counts.unknownCommits += 1;
      const committed = await findOut(plan, { url, prepared });
      if (committed === true) return deliver(batch, plan.verdicts);
      if (committed === null) {
        return rejectAll(batch, new PurserError('outcome_unknown', { cause: error }));
      }
    }
    if (violatedConstraint(error) === 'credit_ledger_pkey') {
      counts.lockViolations += 1;
      return rejectAll(batch, new PurserError('internal_error', { cause: error }));
    }
    if (isUnavailable(error)) {
      if (sqlState(error) === SQLSTATE.queryCanceled) {
        most = Math.max(Math.floor(batch.length / 2), 1);
      }
      for (const one of batch) one.deadline = Math.max(one.deadline, one.roundsEnd - LAST_TRY);
      return retry(batch, error, 1);
    }
    if (isPassing(error)) return retry(batch, error, how.wait ? Number.POSITIVE_INFINITY : RETRIES);
    if (batch.length === 1 || !isCulpable(error)) return rejectAll(batch, toPurserError(error));
    counts.splits += 1;
    const half = Math.ceil(batch.length / 2);
    // Back into the queue, so that it stays behind the first half should that be put back as well.
    queue.putBack(batch.slice(half));
    await carryOut(line, batch.slice(0, half), how);
  }

  /** Tries again at most `bound` times, as long as the caller may be kept waiting. */
  function retry(batch: readonly Waiting[], error: unknown, bound: number): void {
    const state = sqlState(error);
    if (state === SQLSTATE.preparedStatementUnknown || state === SQLSTATE.preparedStatementExists) {
      prepared = false;
    }
    const now = Date.now();
    const again = batch.filter(({ retries, deadline }) => retries < bound && now < deadline);
    rejectAll(
      batch.filter((waiting) => !again.includes(waiting)),
      toPurserError(error),
    );
    for (const waiting of again) {
      waiting.retries += 1;
      waiting.skips = 0;
    }
    queue.putBack(again);
  }

  async function close(): Promise<void> {
    closed = true;
    const lines = [...lanes, asides];
    const idle = () => Promise.all(lines.map((line) => line.idle()));
    while (queue.size() > 0 || blocked.length > 0) await idle();
    await idle();
    clearInterval(overdue);
    await Promise.all(lines.map((line) => line.close()));
  }

  return { post, postAll, close };
}

const CLOSING = 'The server is shutting down; nothing was changed, try again.';

/** Rejects, as overloaded, what should have been answered long ago; returns the rest. */
function dropLate(batch: Waiting[], now: number): Waiting[] {
  const late = batch.filter(({ roundsEnd }) => roundsEnd < now);
  if (late.length === 0) return batch;
  rejectAll(late, new PurserError('overloaded'));
  return batch.filter((waiting) => !late.includes(waiting));
}

function rejectAll(batch: readonly Waiting[], error: PurserError): void {
  for (const waiting of batch) waiting.settle(error);
}
