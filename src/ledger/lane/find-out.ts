import { setTimeout as delay } from 'node:timers/promises';
import type { SessionOptions } from '../../db/session.ts';
import type { Plan } from './draft.ts';
import { createLine, type Line } from './line.ts';
import { wasCommitted } from './round.ts';

/** How long it may take, in milliseconds: part of what a caller waits. */
const TIMEOUT = 900;
const PAUSE = 50;

/** Whether a cut-off commit took effect; null when that cannot be found out in time. */
export async function findOut(plan: Plan, options: SessionOptions): Promise<boolean | null> {
  const line = createLine();
  const timeUp = new AbortController();
  try {
    const late = delay(TIMEOUT, null, { signal: timeUp.signal }).catch(() => null);
    return await Promise.race([search(line, plan, { options, timeUp: timeUp.signal }), late]);
  } finally {
    timeUp.abort();
    line.breakOff();
  }
}

async function search(
  line: Line,
  plan: Plan,
  { options, timeUp }: { readonly options: SessionOptions; readonly timeUp: AbortSignal },
): Promise<boolean | null> {
  while (!timeUp.aborted) {
    try {
      return await wasCommitted(await line.open(options), plan);
    } catch {
      line.breakOff();
      await delay(PAUSE);
    }
  }
  return null;
}
