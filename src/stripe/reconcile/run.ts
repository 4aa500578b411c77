import type { FastifyBaseLogger } from 'fastify';
import type Stripe from 'stripe';
import { toPurserError } from '../../db/sqlstate.ts';
import { type Answer, AWAY, askForPages, type Bounds } from '../api/api.ts';
import type { Processing } from '../fulfil/processing.ts';
import { isObject, type Json } from '../shapes/json.ts';
import { type Counts, type Finding, type Handled, MAX_FINDINGS } from './report.ts';

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
  readonly log: FastifyBaseLogger;
  readonly apply: boolean;
  /** Called before every step; throws `Stopped` when there shall be none. */
  readonly step: () => Promise<void>;
  readonly onProgress: (counts: Readonly<Counts>) => void;
}

/** One run of all passes. */
export interface Run {
  readonly processing: Processing;
  readonly apply: boolean;
  readonly counts: Counts;
  readonly step: () => Promise<void>;
  /** Looks into a suspicion, and repairs what is off when the run may. */
  readonly suspect: (suspect: Suspect) => Promise<void>;
  /** What was found, without what is in order by now. */
  readonly conclude: () => Promise<Conclusion>;
}

/** The first findings, and the numbers of all. */
interface Conclusion {
  readonly findings: readonly Handled[];
  readonly found: number;
  readonly repaired: number;
  readonly left: number;
}

export function createRun({ processing, log, apply, step, onProgress }: RunOptions): Run {
  const listed: { readonly suspect: Suspect; readonly handled: Handled }[] = [];
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

  async function suspect(one: Suspect): Promise<void> {
    await step();
    if (!(await one.isOff())) return;
    const finding = await one.describe();
    const done = apply && one.repair ? await repair(finding, one.repair) : null;
    const repaired = done !== null && !(await one.isOff());
    if (listed.length < MAX_FINDINGS) {
      listed.push({ suspect: one, handled: { ...finding, done, repaired } });
      return;
    }
    beyond.found += 1;
    if (repaired) beyond.repaired += 1;
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
      const isOff = await one.isOff();
      if (isOff) findings.push({ ...handled, repaired: false });
      else if (apply) findings.push({ ...handled, repaired: true });
    }
    const found = findings.length + beyond.found;
    const repaired = findings.filter((one) => one.repaired).length + beyond.repaired;
    return { findings, found, repaired, left: found - repaired };
  }

  return {
    ...{ processing, apply, counts, suspect, conclude },
    async step() {
      onProgress(counts);
      await step();
    },
  };
}

/**
 * How much of one list a run reads. One page at a time, whatever Stripe's rate limit is, and each
 * takes Stripe a good part of a second.
 */
const BOUNDS: Bounds = { pages: 2_500, time: 3_600_000 };

/** A page of a hundred with what is expanded takes longer than one object; nobody waits for it. */
export const PATIENTLY = { timeout: 20_000 };

type List = Parameters<typeof askForPages<{ readonly id: string }>>[1];

/**
 * The objects of a list, page by page, as the JSON that Stripe sent: a client may have put objects
 * of its own in the place of numbers.
 * @throws Incomplete when not all of it can be had
 */
export async function* readPages(
  { processing, step }: Run,
  what: string,
  list: List,
): AsyncGenerator<readonly Json[], void, undefined> {
  for await (const page of askForPages(processing.api, list, BOUNDS)) {
    await step();
    yield answerOf(what, page).map(asJson).filter(isObject);
  }
}

/** @throws Incomplete */
export function answerOf<T>(what: string, answer: Answer<T>): T {
  if (answer.kind === 'answer') return answer.value;
  // That Stripe is away is told once, and not of every list.
  throw new Incomplete(answer === AWAY ? answer.reason : `${what}: ${answer.reason}`);
}

export function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null));
}

/** What a list is asked for: what was created in seconds since 1970, from then on. */
export function createdSince(since: Date): { readonly created: Stripe.RangeQueryParam } {
  return { created: { gte: Math.floor(since.getTime() / 1000) } };
}
