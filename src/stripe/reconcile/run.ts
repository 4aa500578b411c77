import type { FastifyBaseLogger } from 'fastify';
import { toPurserError } from '../../db/sqlstate.ts';
import type { Processing } from '../fulfil/processing.ts';
import { at, type Json, wholeNumber } from '../shapes/json.ts';
import type { Evidence } from './evidence.ts';
import type { FollowUps } from './follow-ups.ts';
import {
  CHANGED,
  type Counts,
  type Finding,
  type FindingKey,
  type Handled,
  MAX_FINDINGS,
  type Progress,
} from './report.ts';

/** Something that seems off. It is looked at again before it is told, and after it was repaired. */
export interface Suspect {
  readonly isOff: () => Promise<boolean>;
  readonly describe: () => Promise<Finding>;
  /** Tells what it did. Null where the rules derive nothing to do. */
  readonly repair: (() => Promise<string>) | null;
}

/** What ends a pass before its end; the others go on. */
export class Incomplete extends Error {}

/** What ends the run: it was stopped, or another one took over. */
export class Stopped extends Error {}

export interface RunOptions {
  readonly processing: Processing;
  readonly evidence: Evidence;
  readonly followUps: FollowUps;
  /** The mode of the key; see `livemodeOf`. */
  readonly livemode: boolean;
  readonly log: FastifyBaseLogger;
  readonly apply: boolean;
  /** The most of a kind that are asked for one by one. */
  readonly inTurn: number;
  /** What was paid, or went back, before is not told of what is listed; null when all is. */
  readonly notBefore: Date | null;
  /** Called before every step; throws `Stopped` when there shall be none. */
  readonly step: () => Promise<void>;
  readonly onProgress: (progress: Progress) => void;
}

/** One run of all passes. */
export interface Run
  extends Pick<
    RunOptions,
    'processing' | 'evidence' | 'followUps' | 'livemode' | 'apply' | 'inTurn' | 'notBefore' | 'step'
  > {
  readonly counts: Counts;
  /** Why not everything could be looked at. */
  readonly problems: Set<string>;
  /** What could not be looked at, as it is remembered; by its name, since it may be tried again. */
  readonly unseen: Map<string, Finding>;
  /** The names of payments that the lists have shown as paid. */
  readonly paid: Set<string>;
  /** The ids of the refunds, disputes and credit notes that were compared. */
  readonly compared: Set<string>;
  /** Whether this run has found it to be off, accepted or not. */
  readonly hasFound: (finding: FindingKey) => boolean;
  /** Looks into a suspicion, and repairs what is off when the run may. */
  readonly suspect: (suspect: Suspect) => Promise<void>;
  /** What was found, without what is in order by now; what is left is remembered. */
  readonly conclude: () => Promise<Conclusion>;
}

/** The first findings, and the numbers of all. */
interface Conclusion {
  readonly findings: readonly Handled[];
  readonly found: number;
  readonly repaired: number;
  readonly left: number;
}

export function createRun(options: RunOptions): Run {
  const { followUps, log, apply, onProgress } = options;
  const listed: { readonly suspect: Suspect; readonly handled: Handled }[] = [];
  const found = new Set<string>();
  const accepted = new Set<string>();
  const beyond = { found: 0, repaired: 0 };
  const counts: Counts = {
    events: 0,
    sessions: 0,
    invoices: 0,
    refunds: 0,
    disputes: 0,
    creditNotes: 0,
    payments: 0,
  };

  async function step(): Promise<void> {
    onProgress({ counts, found: found.size });
    await options.step();
  }

  async function suspect(one: Suspect): Promise<void> {
    await step();
    if (!(await one.isOff())) return;
    const finding = await one.describe();
    const acceptance = await followUps.acceptanceOf(finding);
    if (acceptance === 'accepted') {
      accepted.add(nameOf(finding));
      if (apply) await followUps.leave(finding);
      return;
    }
    found.add(nameOf(finding));
    // Somebody wanted it left as it was: what shall become of it now is for somebody to say.
    const act = acceptance === 'none' ? one.repair : async () => CHANGED;
    const done = apply && act ? await repair(finding, act) : null;
    const handled = { ...finding, done, repaired: done !== null && !(await one.isOff()) };
    await remember(handled);
    if (listed.length < MAX_FINDINGS) {
      listed.push({ suspect: one, handled });
      return;
    }
    beyond.found += 1;
    if (handled.repaired) beyond.repaired += 1;
  }

  /** What is left is followed up by the runs to come, wherever the cursor is by then. */
  async function remember(handled: Handled): Promise<void> {
    if (apply) await (handled.repaired ? followUps.drop(handled) : followUps.keep(handled));
  }

  /** One object that always fails holds up no other; an absence, which would fail all, does. */
  async function repair({ object }: Finding, act: () => Promise<string>): Promise<string> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof Incomplete || error instanceof Stopped) throw error;
      const { code, status } = toPurserError(error);
      if (status === 503) throw error;
      log.error({ err: error, object }, 'reconciliation of an object failed');
      return `tried, but the attempt failed: ${code}`;
    }
  }

  /**
   * Looks again: what was on its way while the run went on has arrived, and what was repaired may
   * have set something else right. Without --apply it was then never off.
   */
  async function conclude(): Promise<Conclusion> {
    const findings: Handled[] = [];
    for (const { suspect: one, handled } of listed) {
      const now = { ...handled, repaired: !(await one.isOff()) };
      if (now.repaired !== handled.repaired) await remember(now);
      if (apply || !now.repaired) findings.push(now);
    }
    const all = findings.length + beyond.found;
    const repaired = findings.filter((one) => one.repaired).length + beyond.repaired;
    return { findings, found: all, repaired, left: all - repaired };
  }

  function hasFound(finding: FindingKey): boolean {
    const name = nameOf(finding);
    return found.has(name) || accepted.has(name);
  }

  return {
    ...options,
    ...{ counts, problems: new Set<string>(), unseen: new Map<string, Finding>() },
    ...{ paid: new Set<string>(), compared: new Set<string>() },
    ...{ step, suspect, conclude, hasFound },
  };
}

/** What tells findings apart. */
export const nameOf = ({ kind, object }: FindingKey) => `${kind} ${object}`;

/** What can only be told: the rules derive nothing to do. */
export function toldOnly(finding: Finding): Suspect {
  return { isOff: async () => true, describe: async () => finding, repair: null };
}

/** When Stripe created an object. */
export function createdAt(object: Json): Date {
  return new Date((wholeNumber(at(object, 'created')) ?? 0) * 1000);
}
