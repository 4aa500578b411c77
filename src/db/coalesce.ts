import { PurserError } from '../errors.ts';
import { isPassing, isUnavailable, toPurserError } from './sqlstate.ts';

export interface CoalesceOptions<Item> {
  /** The most items of one batch; 128 unless it says otherwise. */
  readonly limit?: number;
  /** What an item weighs, and the most that a batch may weigh; one heavier item goes alone. */
  readonly weight?: { readonly of: (item: Item) => number; readonly most: number };
  /** The most items that wait; further ones are `overloaded` at once. */
  readonly queue?: number;
  /** How long an item may wait for its turn before it is `overloaded`, in milliseconds. */
  readonly wait?: number;
}

/** How often an item that failed alone is tried again, when somebody else was in the way. */
const RETRIES = 3;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: PurserError) => void;
  readonly deadline: number;
}

/**
 * Makes one statement of the calls that come while another one is under way, or in the same turn of
 * the event loop: those whose last statement ended together go on together, and no timer ever waits
 * for company. Each caller gets its own result. A batch that fails is carried out again one by one, so
 * that only the culprit fails; what the database itself is to blame for fails for all of them at once.
 * @param run carries out a batch, atomically or repeatably: its items may come again, alone. Returns
 *   the results in the order of the items
 * @returns a function that rejects with `overloaded`, `database_unavailable` or `internal_error`
 */
export function coalesce<Item, Result>(
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
  { limit = 128, weight, queue = 10_000, wait = 2_000 }: CoalesceOptions<Item> = {},
): (item: Item) => Promise<Result> {
  const waiting: Waiting<Item, Result>[] = [];
  let running = false;

  async function workThroughQueue(): Promise<void> {
    while (waiting.length > 0) {
      const batch = dropLate(waiting.splice(0, countOfNext()));
      if (batch.length > 0) await carryOut(batch);
    }
    running = false;
  }

  function countOfNext(): number {
    const most = Math.min(limit, waiting.length);
    if (!weight) return most;
    let sum = 0;
    for (const [i, { item }] of waiting.slice(0, most).entries()) {
      sum += weight.of(item);
      if (sum > weight.most) return Math.max(i, 1);
    }
    return most;
  }

  async function carryOut(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      deliver(batch, await run(batch.map(({ item }) => item)));
    } catch (error) {
      const isOver = isUnavailable(error) || (batch.length === 1 && !isPassing(error));
      if (isOver) rejectAll(batch, error);
      else await carryOutOneByOne(batch);
    }
  }

  async function carryOutOneByOne(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    for (const [i, one] of batch.entries()) {
      try {
        deliver([one], await runAlone(one.item));
      } catch (error) {
        if (isUnavailable(error)) return rejectAll(batch.slice(i), error);
        rejectAll([one], error);
      }
    }
  }

  async function runAlone(item: Item): Promise<readonly Result[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await run([item]);
      } catch (error) {
        if (!isPassing(error) || attempt === RETRIES) throw error;
      }
    }
  }

  return (item) => {
    if (waiting.length >= queue) return Promise.reject(new PurserError('overloaded'));
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    waiting.push({ item, resolve, reject, deadline: Date.now() + wait });
    if (!running) {
      running = true;
      setImmediate(workThroughQueue);
    }
    return promise;
  };
}

function deliver<Item, Result>(
  batch: readonly Waiting<Item, Result>[],
  results: readonly Result[],
): void {
  if (results.length !== batch.length) throw new RangeError('a batch has one result per item');
  for (const [i, { resolve }] of batch.entries()) resolve(results[i] as Result);
}

/** Rejects what has waited past its deadline; returns the rest. */
function dropLate<Item, Result>(
  batch: readonly Waiting<Item, Result>[],
): readonly Waiting<Item, Result>[] {
  const now = Date.now();
  const late = batch.filter(({ deadline }) => deadline < now);
  if (late.length === 0) return batch;
  for (const { reject } of late) reject(new PurserError('overloaded'));
  return batch.filter(({ deadline }) => deadline >= now);
}

function rejectAll<Item, Result>(batch: readonly Waiting<Item, Result>[], error: unknown): void {
  for (const { reject } of batch) reject(toPurserError(error));
}
