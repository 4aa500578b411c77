import type pg from 'pg';

import { coalesce } from '../../db/coalesce.ts';
import { type Account, available, emptyAccount, type Hold, type Lot } from '../core/account.ts';
import { inBurnOrder } from '../core/burn-order.ts';
import type { Command, Outcome } from '../core/command.ts';
import { decideDue } from '../core/decide/due.ts';
import { isEndedByItself } from '../core/decide/hold.ts';
import type { Entry } from '../core/entry.ts';
import { storedKey } from '../core/request-key.ts';
import { createKnownKeys } from '../lane/known-keys.ts';
import { ENTRY_COLUMNS, type EntryRow, toEntry } from '../store/entry-row.ts';
import { fromState, type State } from '../store/state.ts';

/** What a user has, in credits: `available` can be spent, `held` is reserved by open holds. */
export interface Balance {
  readonly balance: number;
  readonly available: number;
  readonly held: number;
  /** Open lots, in burn order: what is spent first comes first. */
  readonly lots: readonly Lot[];
  /** Open holds, oldest first. */
  readonly holds: readonly Hold[];
  /** The number of entries; a later balance has a higher one or the same. */
  readonly seq: number;
}

/** A user whom nobody knows has this. */
const NOTHING: Balance = toBalance(emptyAccount(''), 0);

/**
 * Makes a reader of balances: an account after its newest entry, without what has become due since,
 * which the next command or the sweep will write down. Those that are asked for at once share a
 * query.
 * @param clockOffset added to the database's clock, in milliseconds
 */
export function createBalanceReader(
  pool: pg.Pool,
  clockOffset: number,
): (userId: string) => Promise<Balance> {
  return coalesce(async (userIds: readonly string[]) => {
    const asked = new Map(userIds.map((userId) => [userId, 0]));
    const found = await readBalancesAfter(pool, asked, clockOffset);
    return userIds.map((userId) => found.get(userId) ?? NOTHING);
  });
}

/**
 * The balances of those users who have newer entries than is known: an index probe each, which
 * touches no row of the others.
 * @param known the newest seq that is known of each user; 0 for none
 */
export async function readBalancesAfter(
  pool: pg.Pool,
  known: ReadonlyMap<string, number>,
  clockOffset: number,
): Promise<ReadonlyMap<string, Balance>> {
  const { rows } = await pool.query<BalanceRow>({
    text: `SELECT known.user_id, newest.*,
                  floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now
             FROM unnest($1::text[], $2::bigint[]) AS known (user_id, seq)
            CROSS JOIN LATERAL (SELECT seq, balance, held, state,
                                       floor(extract(epoch FROM created_at) * 1000)::bigint
                                         AS updated_at
                                  FROM credit_ledger
                                 WHERE user_id = known.user_id AND seq > known.seq
                                 ORDER BY seq DESC
                                 LIMIT 1) AS newest`,
    values: [[...known.keys()], [...known.values()]],
  });
  return new Map(
    rows.map(({ user_id: userId, seq, balance, held, state, updated_at: updatedAt, now }) => {
      const holdings = fromState(state ?? { debt: 0, lots: [] });
      const stored = { userId, seq, balance, held, ...holdings, updatedAt };
      const due = decideDue(stored, { now: now + clockOffset, newId: () => '' });
      return [userId, toBalance(due.account, seq)];
    }),
  );
}

function toBalance(account: Account, seq: number): Balance {
  const { balance, held, holds } = account;
  const lots = inBurnOrder(account.lots);
  return { balance, available: available(account), held, lots, holds, seq };
}

interface BalanceRow {
  user_id: string;
  seq: number;
  balance: number;
  held: number;
  state: State | null;
  updated_at: number;
  now: number;
}

/** Reads what a command did when it was carried out; null when its Idempotency-Key is new. */
export async function readReplay(pool: pg.Pool, command: Command): Promise<Outcome | null> {
  const key = storedKey(command);
  if (key === null) return null;
  const { rows } = await pool.query<EntryRow>({
    text: `SELECT ${ENTRY_COLUMNS}
             FROM credit_ledger
            WHERE user_id = $1 AND idempotency_key = $2`,
    values: [command.userId, key],
  });
  return createKnownKeys(rows.map(toEntry)).replay(command);
}

/** What became of a hold. */
export interface HoldHistory {
  readonly opened: Entry;
  /** The entry that ended it; null while none is written. */
  readonly ended: Entry | null;
  /** Whether its time was over before anything else ended it, written down or not. */
  readonly expired: boolean;
}

/** Reads a hold; null when the user never had one of that id. */
export async function readHold(
  pool: pg.Pool,
  userId: string,
  holdId: string,
  clockOffset: number,
): Promise<HoldHistory | null> {
  const { rows } = await pool.query<EntryRow & { now: number }>({
    text: `SELECT ${ENTRY_COLUMNS},
                  floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now
             FROM credit_ledger
            WHERE user_id = $1 AND hold_id = $2
              AND (kind = 'hold' OR kind IN ('capture', 'release'))
            ORDER BY seq`,
    values: [userId, holdId],
  });
  const [first, second] = rows;
  if (!first) return null;
  const [opened, ended] = [toEntry(first), second ? toEntry(second) : null];
  const isOver = (opened.expiresAt ?? 0) <= first.now + clockOffset;
  return { opened, ended, expired: ended ? isEndedByItself(ended) : isOver };
}
