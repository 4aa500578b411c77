import type pg from 'pg';
import { toPurserError } from '../../db/sqlstate.ts';
import type { Entry, EntryKind } from '../core/entry.ts';
import { ENTRY_COLUMNS, type EntryRow, toEntry } from '../store/entry-row.ts';

/** Which entries of a history are asked for: those of which all of it is true. */
export interface EntryFilter {
  readonly kinds: readonly EntryKind[] | null;
  readonly reason: string | null;
  readonly ref: string | null;
  readonly operation: string | null;
  readonly holdId: string | null;
  /** The first moment, in milliseconds since 1970. */
  readonly from: number | null;
  /** The first moment that is too late, in milliseconds since 1970. */
  readonly to: number | null;
}

const EVERYTHING: EntryFilter = {
  ...{ kinds: null, reason: null, ref: null, operation: null, holdId: null },
  ...{ from: null, to: null },
};

/** What page of a history is asked for: of entries before `before`, when it is given. */
export interface PageQuery {
  readonly limit: number;
  readonly before: number | null;
  readonly filter?: EntryFilter;
}

/** A page of a history. */
export interface EntryPage {
  readonly entries: readonly Entry[];
  /** The `before` that continues after this page; null on the last one. */
  readonly next: number | null;
}

/** A part of a history: the entries from `first` on, without `end`. */
export interface Stretch {
  readonly first: number;
  readonly end: number;
}

type Order = 'ASC' | 'DESC';

/** How many entries one statement looks at for those that are asked for, at most. */
const LOOKED_AT = 10_000;
/** How many entries an export reads at once. */
const BATCH = 500;

const WHOLE_HISTORY: Stretch = { first: 1, end: Number.MAX_SAFE_INTEGER };

// A search by halves: `seq` has no gaps and an entry is never dated earlier than the one before, so
// the primary key is an index of the time, too. About 20 probes for a million entries.
const FIND_STRETCH = `
  WITH RECURSIVE search (bound, moment, low, high) AS (
    SELECT bound, moment, 1::bigint, newest + 1
      FROM (SELECT coalesce(max(seq), 0) AS newest FROM credit_ledger WHERE user_id = $1) n,
           (VALUES ('first', coalesce($2::timestamptz, '-infinity')),
                   ('end', coalesce($3::timestamptz, 'infinity'))) bounds (bound, moment)
     UNION ALL
    SELECT bound, moment,
           CASE WHEN created_at < moment THEN seq + 1 ELSE low END,
           CASE WHEN created_at < moment THEN high ELSE seq END
      FROM search
      JOIN credit_ledger ON user_id = $1 AND seq = (low + high) / 2
     WHERE low < high
  )
  SELECT max(low) FILTER (WHERE bound = 'first') AS first,
         max(low) FILTER (WHERE bound = 'end') AS end
    FROM search`;

/**
 * Which index leads to what is asked for; word by word as the partial indexes say it, since the
 * planner must see that they hold it. Without one the history is walked by its primary key.
 */
const PATHS = {
  hold: `AND hold_id = $6 AND (kind = 'hold' OR kind IN ('capture', 'release'))`,
  seldom: `AND kind NOT IN ('debit', 'hold', 'capture', 'release')`,
  all: '',
} as const;

const OFTEN: ReadonlySet<EntryKind> = new Set(['debit', 'hold', 'capture', 'release']);

const isOnPath = (path: string) => `user_id = $1 AND seq >= $2 AND seq < $3 ${path}`;

/** Of the next `LOOKED_AT` entries on the path those that are asked for, until the page is full. */
const readMatches = (path: string, order: Order) => `
  SELECT ${ENTRY_COLUMNS}
    FROM (SELECT * FROM credit_ledger
           WHERE ${isOnPath(path)} ORDER BY seq ${order} LIMIT ${LOOKED_AT}) looked_at
   WHERE ($4::text[] IS NULL OR kind = ANY($4))
     AND ($5::text IS NULL OR reason = $5)
     AND ($6::text IS NULL OR hold_id = $6)
     AND ($7::text IS NULL OR ref = $7)
     AND ($8::text IS NULL OR operation = $8)
   ORDER BY seq ${order}
   LIMIT $9`;

/** The last of these `LOOKED_AT` entries, if there are so many. */
const findLastLookedAt = (path: string, order: Order) => `
  SELECT seq FROM credit_ledger
   WHERE ${isOnPath(path)}
   ORDER BY seq ${order} OFFSET ${LOOKED_AT - 1} LIMIT 1`;

/**
 * A page of a history, newest first. It looks at a bounded number of entries, so it may be short,
 * or empty, while others follow.
 */
export async function readEntries(
  pool: pg.Pool,
  userId: string,
  { limit, before, filter = EVERYTHING }: PageQuery,
): Promise<EntryPage> {
  const { first, end } = isFiltered(filter)
    ? await findStretch(pool, userId, filter)
    : WHOLE_HISTORY;
  const stretch = { first, end: Math.min(end, before ?? end) };
  const { entries, rest } = await readPart(pool, userId, { filter, stretch, order: 'DESC', limit });
  return { entries, next: rest?.end ?? null };
}

/**
 * The history up to now, oldest first, in batches. Between two of them no connection is taken, so
 * whoever reads slowly keeps nobody waiting; what happens meanwhile is not in it. Throws
 * `database_unavailable` or `overloaded` wherever it breaks off.
 */
export async function* streamEntries(
  pool: pg.Pool,
  userId: string,
  filter: EntryFilter,
): AsyncGenerator<readonly Entry[], void, void> {
  const common = { filter, order: 'ASC', limit: BATCH } as const;
  try {
    let rest: Stretch | null = await findStretch(pool, userId, filter);
    while (rest) {
      const part: Part = await readPart(pool, userId, { ...common, stretch: rest });
      if (part.entries.length > 0) yield part.entries;
      rest = part.rest;
    }
  } catch (error) {
    throw toPurserError(error);
  }
}

/** The entries from one moment until before another; null for the first and for now. */
export async function findStretch(
  pool: pg.Pool,
  userId: string,
  { from, to }: Pick<EntryFilter, 'from' | 'to'>,
): Promise<Stretch> {
  const { rows } = await pool.query<Stretch>(FIND_STRETCH, [userId, toIso(from), toIso(to)]);
  return rows[0] ?? { first: 1, end: 1 };
}

/** No entry is older, and none will be younger: beyond the year 9999 ISO 8601 and Postgres differ. */
const EDGES = { first: 0, last: Date.UTC(9999, 11, 31) } as const;

function toIso(milliseconds: number | null): string | null {
  if (milliseconds === null) return null;
  return new Date(Math.min(Math.max(milliseconds, EDGES.first), EDGES.last)).toISOString();
}

function isFiltered(filter: EntryFilter): boolean {
  return Object.values(filter).some((value) => value !== null);
}

interface Part {
  readonly entries: readonly Entry[];
  /** What has not been looked at; null when that is nothing. */
  readonly rest: Stretch | null;
}

interface PartQuery {
  readonly filter: EntryFilter;
  readonly stretch: Stretch;
  readonly order: Order;
  readonly limit: number;
}

/** Reads one entry more than asked for, to know whether others follow. */
async function readPart(
  pool: pg.Pool,
  userId: string,
  { filter, stretch, order, limit }: PartQuery,
): Promise<Part> {
  const { kinds, reason, holdId, ref, operation } = filter;
  const path = pathOf(filter);
  const at = [userId, stretch.first, stretch.end];
  const { rows } = await pool.query<EntryRow>(readMatches(PATHS[path], order), [
    ...[...at, kinds, reason, holdId, ref, operation],
    limit + 1,
  ]);
  const entries = rows.slice(0, limit).map(toEntry);
  const last = entries.at(-1);
  if (rows.length > limit && last) return { entries, rest: restOf(stretch, order, last.seq) };
  // A hold has two entries; and where nothing is left out, a short page is the last one.
  if (path === 'hold' || !isFiltered(filter)) return { entries, rest: null };
  const find = findLastLookedAt(PATHS[path], order);
  const [lookedAt] = (await pool.query<{ seq: number }>(find, at)).rows;
  return { entries, rest: lookedAt ? restOf(stretch, order, lookedAt.seq) : null };
}

/** What is left of a stretch when it has been read up to this entry. */
function restOf({ first, end }: Stretch, order: Order, seq: number): Stretch | null {
  const rest = order === 'ASC' ? { first: seq + 1, end } : { first, end: seq };
  return rest.first < rest.end ? rest : null;
}

function pathOf({ kinds, holdId }: EntryFilter): keyof typeof PATHS {
  if (holdId !== null) return 'hold';
  return kinds?.every((kind) => !OFTEN.has(kind)) ? 'seldom' : 'all';
}
