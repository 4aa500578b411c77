import type { Finding, FindingKey } from './report.ts';
import { Incomplete, nameOf, type Run } from './run.ts';

/** The most objects that a run tries in vain to look at. */
const MAX_UNSEEN = 50;

/** An object that is looked at by itself. */
export interface Sight {
  /** What it would be, were it off. */
  readonly about: FindingKey;
  readonly look: () => Promise<void>;
  /**
   * Writes down, in a run that repairs, that it was tried in vain: its turn is over.
   * @returns what is remembered of it, which can be accepted; null for nothing
   */
  readonly noteUnseen: (reason: string) => Promise<Finding | null>;
}

/**
 * Looks at one object. One for which Stripe has no answer, such as a 500 that stays, holds up no
 * other: it is told as a problem of the run, unless somebody has accepted it.
 * @returns whether it could be looked at
 * @throws Incomplete when it is Stripe that is away, or too many could not be looked at
 */
export async function lookAt(run: Run, { about, look, noteUnseen }: Sight): Promise<boolean> {
  try {
    await look();
    return true;
  } catch (error) {
    if (!(error instanceof Incomplete)) throw error;
    const noted = run.apply ? await noteUnseen(error.message) : null;
    if (await run.followUps.isAccepted(about)) return false;
    if (run.processing.api.awayUntil() !== null) throw error;
    if (run.problems.size >= MAX_UNSEEN) {
      throw new Incomplete(`more than ${MAX_UNSEEN} objects could not be looked at`);
    }
    if (noted) run.unseen.set(nameOf(noted), noted);
    run.problems.add(`${about.object}: ${error.message}`);
    return false;
  }
}
