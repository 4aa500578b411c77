import { randomUUID } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { Pool } from 'pg';
import { inUseSince } from '../api/account.ts';
import type { Processing } from '../fulfil/processing.ts';
import { compareLeft, compareListed, compareUnended } from './compare.ts';
import { type Cursor, createCursorStore } from './cursor.ts';
import { attemptDue } from './events-pass.ts';
import { createEvidence } from './evidence.ts';
import { createFollowUps } from './follow-ups.ts';
import { compareGrants } from './grants-pass.ts';
import type { Progress, Report } from './report.ts';
import { compareClawBacks } from './reversals-pass.ts';
import { createRun, Incomplete, type Run, Stopped } from './run.ts';
import { movesOf, type Window, windowOf } from './window.ts';

export interface ReconcilerOptions {
  readonly pool: Pool;
  readonly processing: Processing;
  /** The mode of the key; see `livemodeOf`. */
  readonly livemode: boolean;
  readonly log: FastifyBaseLogger;
}

export interface ReconcileOptions {
  /** Whether what is off is repaired. Without it nothing is written at all. */
  readonly apply: boolean;
  /**
   * How far to look back, also to what happened before this database was in use; null for everything
   * since the last run.
   */
  readonly since: Date | null;
  /** Do nothing when a run started less than so many seconds ago. */
  readonly every?: number;
  /**
   * The most findings of earlier runs that are looked at, and the most reversals and payments that
   * are asked for one by one; `IN_TURN` when it is left out.
   */
  readonly inTurn?: number;
  /** Ends the run at the next step. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** Compares Stripe with the ledger. */
export interface Reconciler {
  /**
   * @returns null when a run that repairs is under way elsewhere, or was a short while ago; runs
   *   that only report do not mind each other
   * @throws when the ledger or the database is away
   */
  readonly run: (options: ReconcileOptions) => Promise<Report | null>;
}

/** Each is a request of its own, while a list tells a hundred with one. */
const IN_TURN = 500;
/** How often the lease is renewed, in milliseconds. */
const RENEW_EVERY = 20_000;

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const cursors = createCursorStore(options.pool);

  async function run(asked: ReconcileOptions): Promise<Report | null> {
    if (!asked.apply) {
      const { report } = await compare(options, asked, await cursors.read(), null);
      return report;
    }
    const holder = randomUUID();
    const cursor = await cursors.hold(holder, asked.every ?? 0);
    if (!cursor) return null;
    let moves = null;
    try {
      const done = await compare(options, asked, cursor, createRenewal(cursors, holder));
      moves = done.moves;
      return done.report;
    } finally {
      const none = { eventsSeenUntil: null, objectsSeenUntil: null, lookedBackAt: null };
      await cursors.release(holder, moves ?? none);
    }
  }

  return { run };
}

/** Renews the lease once in a while. @throws Stopped when another run has it */
function createRenewal(cursors: ReturnType<typeof createCursorStore>, holder: string) {
  let renewedAt = Date.now();
  return async () => {
    if (Date.now() - renewedAt < RENEW_EVERY) return;
    if (!(await cursors.renew(holder))) throw new Stopped('another run took over');
    renewedAt = Date.now();
  };
}

async function compare(
  options: ReconcilerOptions,
  { apply, since, inTurn = IN_TURN, signal, onProgress = () => {} }: ReconcileOptions,
  cursor: Cursor,
  renew: (() => Promise<void>) | null,
) {
  const { pool, processing, livemode, log } = options;
  const startedAt = new Date();
  // One that no server has used yet begins now.
  const usedSince = (await inUseSince(pool)) ?? startedAt;
  const place = { cursor, asked: since, usedSince, now: startedAt };
  const window = windowOf(place);
  const run = createRun({
    notBefore: since === null ? usedSince : null,
    ...{ processing, livemode, log, apply, inTurn, onProgress },
    evidence: createEvidence(pool),
    followUps: createFollowUps(pool),
    async step() {
      if (signal?.aborted) throw new Stopped('it was stopped before its end');
      await renew?.();
    },
  });
  const passes = await runPasses(run, window);
  const moves = movesOf(place, window, passes);
  const report: Report = {
    ...{ applied: apply, startedAt, ...window, counts: run.counts },
    ...(await run.conclude()),
    waiting: passes.waiting,
    problems: [...run.problems],
    unseen: [...run.unseen.values()],
  };
  return { report, moves };
}

/**
 * The events first, since they tell more than the objects do; at the end what was left before, of
 * which the cursor needs to know nothing.
 */
async function runPasses(run: Run, { eventsSince, objectsSince: since }: Window) {
  let stopped = false;
  let waiting = 0;

  /** @returns whether it came to its end */
  async function pass(work: () => Promise<void>): Promise<boolean> {
    if (stopped) return false;
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof Incomplete || error instanceof Stopped)) throw error;
      run.problems.add(error.message);
      stopped = error instanceof Stopped;
      return false;
    }
  }

  const events = await pass(() => compareListed(run, 'event', eventsSince));
  if (run.apply) await pass(() => attemptDue(run));
  let listed = true;
  for (const kind of ['session', 'invoice', 'refund', 'dispute', 'credit_note'] as const) {
    if (!(await pass(() => compareListed(run, kind, since)))) listed = false;
  }
  await pass(() => compareUnended(run));
  if (run.apply) await pass(() => attemptDue(run));
  await pass(() => compareClawBacks(run, since));
  // When a list is incomplete, asking for each payment that it lacks would be a flood.
  if (listed) {
    await pass(async () => {
      waiting = await compareGrants(run, since);
    });
  }
  // What has its turn by itself, answered or not, has it wherever the cursor is.
  const objects = listed && !stopped;
  await pass(() => compareLeft(run));
  return { waiting, events, objects };
}
