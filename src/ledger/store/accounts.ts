import { TEXT, toBinaryArray } from '../../db/binary-array.ts';
import type { Session, Statement } from '../../db/session.ts';
import type { Account } from '../core/account.ts';
import type { Entry } from '../core/entry.ts';
import { ENTRY_COLUMNS, type EntryRow, toEntry } from './entry-row.ts';
import { fromState, type State } from './state.ts';

/**
 * The users whose rows are locked, each with the time at which the sweep will look at the account,
 * in milliseconds since 1970; null for never.
 */
export type Locked = ReadonlyMap<string, number | null>;

/** An account with what the next entry needs beside it. */
export interface Head {
  readonly account: Account;
  /** The hash of the newest entry, hex; null when there is none. */
  readonly hash: string | null;
  /** The database's clock after the lock was taken, in whole milliseconds since 1970. */
  readonly now: number;
}

/** The longest a statement may run and wait for one row, in milliseconds. */
const STATEMENT_TIMEOUT = 2_000;
const LOCK_TIMEOUT = 300;
/**
 * How long BEGIN may go unanswered, in milliseconds. It waits for nothing, so more means that the
 * network has dropped the connection in silence, and a new one still answers the callers in time.
 */
const SILENCE_TIMEOUT = 1_000;

// SET LOCAL, because a pooler in transaction mode refuses these as start-up parameters. The last
// three pin the plans to index probes: otherwise lock and load are planned anew each time (a third
// of a short round), and on a young database, analysed while its tables were small, a sequential
// scan is kept as the plan for good (measured: 3.5 to 4 times slower with a dozen users).
const BEGIN = `
  BEGIN ISOLATION LEVEL READ COMMITTED;
  SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT};
  SET LOCAL lock_timeout = ${LOCK_TIMEOUT};
  SET LOCAL idle_in_transaction_session_timeout = 5000;
  SET LOCAL plan_cache_mode = force_generic_plan;
  SET LOCAL enable_seqscan = off;
  SET LOCAL enable_bitmapscan = off`;

const NEXT_DUE_AT = 'floor(extract(epoch FROM next_due_at) * 1000)::bigint AS next_due_at';

const LOCK_FREE: Statement = {
  name: 'lock_free',
  text: `
    SELECT user_id, ${NEXT_DUE_AT}
      FROM stripe_customers
     WHERE user_id = ANY($1::text[])
     ORDER BY user_id
       FOR UPDATE SKIP LOCKED`,
};

const LOCK_WAITING: Statement = {
  name: 'lock_waiting',
  text: `
    SELECT user_id, ${NEXT_DUE_AT}
      FROM stripe_customers
     WHERE user_id = ANY($1::text[])
     ORDER BY user_id
       FOR UPDATE`,
};

// clock_timestamp(), not now(): the transaction began before the lock was taken. Once for all, and
// created_at, which has whole milliseconds, by way of a double: numerics cost much more.
const LOAD: Statement = {
  name: 'load',
  text: `
    SELECT u.user_id, e.seq, e.balance, e.held, e.state, encode(e.hash, 'hex') AS hash,
           round(date_part('epoch', e.created_at) * 1000)::bigint AS updated_at, now
      FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now
            OFFSET 0) AS clock
     CROSS JOIN unnest($1::text[]) AS u (user_id)
      LEFT JOIN LATERAL (SELECT seq, balance, held, state, hash, created_at
                           FROM credit_ledger
                          WHERE user_id = u.user_id
                          ORDER BY seq DESC
                          LIMIT 1) e ON true`,
};

const FIND_BY_IDEMPOTENCY_KEYS: Statement = {
  name: 'find_by_idempotency_keys',
  text: `
    SELECT ${ENTRY_COLUMNS}
      FROM credit_ledger
      JOIN unnest($1::text[], $2::text[]) AS asked (user_id, idempotency_key)
     USING (user_id, idempotency_key)`,
};

const FIND_BY_GLOBAL_KEYS: Statement = {
  name: 'find_by_global_keys',
  text: `
    SELECT ${ENTRY_COLUMNS} FROM credit_ledger WHERE stripe_event_id = ANY($1::text[])
     UNION ALL
    SELECT ${ENTRY_COLUMNS} FROM credit_ledger WHERE grant_key = ANY($2::text[])`,
};

// Sorted, so that two processes that create the same customers cannot deadlock.
const CREATE_CUSTOMERS: Statement = {
  name: 'create_customers',
  text: `
    INSERT INTO stripe_customers (user_id)
    SELECT user_id FROM unnest($1::text[]) AS u (user_id) ORDER BY user_id COLLATE "C"
        ON CONFLICT (user_id) DO NOTHING`,
};

const SCHEDULE_SWEEP: Statement = {
  name: 'schedule_sweep',
  text: `
    UPDATE stripe_customers c
       SET next_due_at = due.at
      FROM unnest($1::text[], $2::timestamptz[]) AS due (user_id, at)
     WHERE c.user_id = due.user_id`,
};

const FIND_ENTRY_ID: Statement = {
  name: 'find_entry_id',
  text: 'SELECT id FROM credit_ledger WHERE user_id = $1 AND seq = $2',
};

const texts = (values: readonly string[]) => toBinaryArray(TEXT, values);

/** Begins a transaction, or breaks a connection that does not even answer that. */
export async function begin(session: Session): Promise<void> {
  const silent = setTimeout(session.destroy, SILENCE_TIMEOUT);
  try {
    await session.runText(BEGIN);
  } finally {
    clearTimeout(silent);
  }
}

/** Commits, and throws when the server rolled back instead, which it says only in the tag. */
export async function commit(session: Session): Promise<void> {
  const { command } = await session.runText('COMMIT');
  if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command}`);
}

export function setSavepoint(session: Session) {
  return session.runText('SAVEPOINT newcomers');
}

/** Undoes what failed since the savepoint; the transaction goes on. */
export function returnToSavepoint(session: Session) {
  return session.runText('ROLLBACK TO SAVEPOINT newcomers');
}

/**
 * Locks the customers' rows in the order of their ids and returns those that it got. Plain
 * waiting makes the lanes of several processes convoy, so by default rows that another
 * transaction holds are left out; `wait` waits for them, as long as the lock time-out lets it.
 */
export async function lock(
  session: Session,
  userIds: readonly string[],
  { wait }: { readonly wait: boolean },
): Promise<Locked> {
  type Row = { user_id: string; next_due_at: number | null };
  const { rows } = await session.run<Row>(wait ? LOCK_WAITING : LOCK_FREE, [texts(userIds)]);
  return new Map(rows.map((row) => [row.user_id, row.next_due_at]));
}

/** Loads the newest entry of each user: one index probe each. Throws when one has no state. */
export async function load(
  session: Session,
  userIds: readonly string[],
): Promise<ReadonlyMap<string, Head>> {
  const { rows } = await session.run<HeadRow>(LOAD, [texts(userIds)]);
  return new Map(rows.map((row) => [row.user_id, toHead(row)]));
}

interface HeadRow {
  user_id: string;
  seq: number | null;
  balance: number | null;
  held: number | null;
  state: State | null;
  hash: string | null;
  updated_at: number | null;
  now: number;
}

function toHead(row: HeadRow): Head {
  if (row.seq !== null && row.state === null) {
    // Going on would take the account for one without lots, and write that down.
    throw new Error(`entry ${row.seq} of account ${JSON.stringify(row.user_id)} has no state`);
  }
  const account = {
    userId: row.user_id,
    seq: row.seq ?? 0,
    balance: row.balance ?? 0,
    held: row.held ?? 0,
    ...fromState(row.state ?? { debt: 0, lots: [] }),
    updatedAt: row.updated_at ?? 0,
  };
  return { account, hash: row.hash, now: row.now };
}

/** The lead entries that carry one of these (user, key) pairs. */
export async function findByIdempotencyKeys(
  session: Session,
  userIds: readonly string[],
  keys: readonly string[],
): Promise<readonly Entry[]> {
  if (keys.length === 0) return [];
  const { rows } = await session.run<EntryRow>(FIND_BY_IDEMPOTENCY_KEYS, [
    texts(userIds),
    texts(keys),
  ]);
  return rows.map(toEntry);
}

/** The lead entries that carry one of these Stripe events or grant keys, of whichever user. */
export async function findByGlobalKeys(
  session: Session,
  stripeEventIds: readonly string[],
  grantKeys: readonly string[],
): Promise<readonly Entry[]> {
  if (stripeEventIds.length + grantKeys.length === 0) return [];
  const { rows } = await session.run<EntryRow>(FIND_BY_GLOBAL_KEYS, [stripeEventIds, grantKeys]);
  return rows.map(toEntry);
}

/** Makes the rows to lock for users who have none yet. */
export function createCustomers(session: Session, userIds: readonly string[]) {
  return session.run(CREATE_CUSTOMERS, [userIds]);
}

/** Notes when the sweep must look at these accounts, which are locked; null for never. */
export function scheduleSweep(
  session: Session,
  due: readonly { readonly userId: string; readonly dueAt: number | null }[],
) {
  return session.run(SCHEDULE_SWEEP, [
    due.map(({ userId }) => userId),
    due.map(({ dueAt }) => (dueAt === null ? null : new Date(dueAt).toISOString())),
  ]);
}

/** The id of the entry at this place in the account's history, or null. */
export async function findEntryId(
  session: Session,
  userId: string,
  seq: number,
): Promise<string | null> {
  const { rows } = await session.run<{ id: string }>(FIND_ENTRY_ID, [userId, seq]);
  return rows[0]?.id ?? null;
}
