import { UsageError } from './command.ts';

/** How many items a list shows, unless --limit says another number up to the second one. */
const LISTED = { usual: 50, most: 10_000 };

/** Reads `--limit`. */
export function readLimit(text: string | undefined): number {
  if (text === undefined) return LISTED.usual;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LISTED.most) return limit;
  throw new UsageError(`--limit is a whole number from 1 to ${LISTED.most}.`);
}
