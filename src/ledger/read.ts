import type pg from 'pg';
import { available, expiredLots, fromState, type State } from './account.ts';
import type { Entry } from './entry.ts';
import { ENTRY_COLUMNS, type EntryRow, toEntry } from './entry-row.ts';

/** What a user has, in credits: `available` can be spent, `held` is reserved by open holds. */
export interface Balance {
  readonly balance: number;
  readonly available: number;
  readonly held: number;
}

/** A page of a history. */
export interface EntryPage {
  readonly entries: readonly Entry[];
  /** The `before` that continues after this page; null on the last one. */
  readonly next: number | null;
}

/**
 * The balance after the newest entry, without the lots whose time has come since: the next command
 * will write that down. A user whom nobody knows has 0.
 */
export async function readBalance(pool: pg.Pool, userId: string): Promise<Balance> {
  const { rows } = await pool.query<BalanceRow>({
    text: `SELECT balance, held, state,
                  floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now
             FROM credit_ledger
            WHERE user_id = $1
            ORDER BY seq DESC
            LIMIT 1`,
    values: [userId],
  });
  const [newest] = rows;
  if (!newest) return { balance: 0, available: 0, held: 0 };
  const { held, state, now } = newest;
  const expired = state ? expiredLots(fromState(state), now) : [];
  const balance = expired.reduce((rest, { free }) => rest - free, newest.balance);
  return { balance, available: available({ balance, held }), held };
}

interface BalanceRow {
  balance: number;
  held: number;
  state: State | null;
  now: number;
}

/** Reads one entry more than the page holds, to know whether another page follows. */
export async function readEntries(
  pool: pg.Pool,
  userId: string,
  { limit, before }: { readonly limit: number; readonly before: number | null },
): Promise<EntryPage> {
  const { rows } = await pool.query<EntryRow>({
    text: `SELECT ${ENTRY_COLUMNS}
             FROM credit_ledger
            WHERE user_id = $1 AND seq < $2
            ORDER BY seq DESC
            LIMIT $3`,
    values: [userId, before ?? Number.MAX_SAFE_INTEGER, limit + 1],
  });
  const entries = rows.slice(0, limit).map(toEntry);
  return { entries, next: rows.length > limit ? (entries.at(-1)?.seq ?? null) : null };
}
