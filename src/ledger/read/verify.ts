import { createHash, type Hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type pg from 'pg';
import { type Account, available, emptyAccount, findBrokenRule } from '../core/account.ts';
import type { Entry } from '../core/entry.ts';
import { evolve } from '../core/evolve.ts';
import { chainHash, GENESIS, hashNote } from '../store/chain.ts';
import { ENTRY_COLUMNS, type EntryRow, toEntry } from '../store/entry-row.ts';
import { type State, toState } from '../store/state.ts';
import { createEntryRules, type EntryRules, type Reversed } from './entry-rules.ts';

/** The first entry of an account that is not what the entries before it and the rules demand. */
interface Fault {
  readonly userId: string;
  readonly seq: number;
  readonly what: string;
}

export interface Verification {
  readonly accounts: number;
  readonly entries: number;
  /** At most one per account and `MAX_FAULTS` in all; empty when the ledger is sound. */
  readonly faults: readonly Fault[];
  /** One line that stands for all chains as they were a minute ago, to keep outside the database. */
  readonly root: string;
  /** How many of the entries are old enough to be in the root. */
  readonly entriesInRoot: number;
  /** Whether the ledger still holds what the given root stands for; null when none was given. */
  readonly matches: boolean | null;
}

export interface VerifyOptions {
  /** A root printed earlier. */
  readonly against?: string | undefined;
  readonly onProgress?: (entries: number) => void;
}

const MAX_FAULTS = 20;
const BATCH = 2_000;
/**
 * A root speaks of entries at least this old, in milliseconds: no transaction lives so long, so
 * nothing with an earlier time can still be committed after the root was taken.
 */
const ROOT_AGE = 60_000;

const READ_BATCH = `
  SELECT ${ENTRY_COLUMNS},
         encode(note_hash, 'hex') AS note_hash, encode(hash, 'hex') AS hash, state,
         CASE WHEN kind = 'reversal' THEN
           (SELECT jsonb_build_object(
                     'kind', taken.kind,
                     'delta', taken.delta,
                     'given', (SELECT sum(r.delta) FROM credit_ledger r
                                WHERE r.user_id = e.user_id AND r.reverses_seq = e.reverses_seq
                                  AND r.seq <= e.seq))
              FROM credit_ledger taken
             WHERE taken.user_id = e.user_id AND taken.seq = e.reverses_seq)
         END AS reversed
    FROM credit_ledger e
   WHERE (user_id, seq) > ($1, $2)
   ORDER BY user_id, seq
   LIMIT ${BATCH}`;

// The clock that dates the entries: this process's may be minutes off.
const READ_CLOCK = 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now';

type VerifyRow = EntryRow & {
  note_hash: string | null;
  hash: string;
  state: State | null;
  reversed: Reversed | null;
};

/**
 * Walks every account from its first entry: recomputes hash, fold, numbering and balance, and
 * compares them with what is stored. Reads in batches, in constant memory, and locks nothing.
 */
export async function verifyLedger(
  pool: pg.Pool,
  { against, onProgress }: VerifyOptions = {},
): Promise<Verification> {
  const root = createRoot((await readClock(pool)) - ROOT_AGE);
  const old = against === undefined ? null : createRoot(parseRoot(against));
  const faults: Fault[] = [];
  let walk: Walk | null = null;
  let accounts = 0;
  let entries = 0;

  function endAccount(): void {
    const fault = walk && (walk.fault ?? findMissingState(walk));
    if (fault && faults.length < MAX_FAULTS) faults.push(fault);
    root.endAccount();
    old?.endAccount();
  }

  for await (const row of readAll(pool)) {
    if (walk?.account.userId !== row.user_id) {
      endAccount();
      walk = startWalk(row.user_id);
      accounts += 1;
    }
    const entry = toEntry(row);
    if (!walk.fault) step(walk, entry, row);
    root.add(entry, row.hash);
    old?.add(entry, row.hash);
    entries += 1;
    if (entries % BATCH === 0) onProgress?.(entries);
  }
  endAccount();
  return {
    accounts,
    entries,
    faults,
    root: root.toString(),
    entriesInRoot: root.entries(),
    matches: old && old.toString() === against?.trim(),
  };
}

async function readClock(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ now: number }>(READ_CLOCK);
  return rows[0]?.now ?? 0;
}

async function* readAll(pool: pg.Pool): AsyncGenerator<VerifyRow> {
  let after: readonly [userId: string, seq: number] = ['', 0];
  for (;;) {
    const { rows } = await pool.query<VerifyRow>(READ_BATCH, [...after]);
    yield* rows;
    const last = rows.at(-1);
    if (!last || rows.length < BATCH) return;
    after = [last.user_id, last.seq];
  }
}

/** One account on the way from its first entry to its newest. */
interface Walk {
  account: Account;
  hash: string;
  /** The first entry of the newest command; its further entries name it as their lead. */
  lead: number | null;
  readonly rules: EntryRules;
  /** Whether the entry just read carried the state; the newest one must. */
  hasState: boolean;
  fault: Fault | null;
}

function startWalk(userId: string): Walk {
  return {
    account: emptyAccount(userId),
    hash: GENESIS,
    lead: null,
    rules: createEntryRules(),
    hasState: true,
    fault: null,
  };
}

function step(walk: Walk, entry: Entry, row: VerifyRow): void {
  const what = findFault(walk, entry, row);
  walk.account = evolve(walk.account, entry);
  walk.hash = row.hash;
  walk.lead = entry.leadSeq ?? entry.seq;
  walk.hasState = row.state !== null;
  if (what) walk.fault = { userId: entry.userId, seq: entry.seq, what };
}

function findFault(
  { account: before, hash: previous, lead, rules }: Walk,
  entry: Entry,
  { note_hash: noteHash, hash, state, reversed }: VerifyRow,
): string | null {
  if (entry.seq !== before.seq + 1) {
    return `it follows entry ${before.seq}: entries in between are missing`;
  }
  if (hash !== chainHash(previous, entry, noteHash)) return 'its hash does not match its content';
  const noteNow = hashNote(entry);
  if (noteNow !== null && noteNow !== noteHash) return 'its text is not what was hashed';
  if (entry.createdAt < before.updatedAt) return 'it is dated before the entry before it';
  if (entry.leadSeq !== null && entry.leadSeq !== lead) {
    return `it does not belong to the command that entry ${entry.leadSeq} leads`;
  }
  const wrong = rules.findBroken(before, entry, reversed);
  if (wrong) return wrong;
  const after = evolve(before, entry);
  if (entry.balance !== after.balance || entry.held !== after.held) {
    return `it says balance ${entry.balance}, held ${entry.held}; its history says ${after.balance}, ${after.held}`;
  }
  const takesOnlyWhatIsThere = ['debit', 'expiry', 'hold'].includes(entry.kind);
  if (takesOnlyWhatIsThere && available(after) < 0) return 'it overdraws the account';
  const broken = findBrokenRule(after);
  if (broken) return `after it the account breaks a rule: ${broken}`;
  if (state && !isDeepStrictEqual(state, toState(after))) {
    return 'the state stored with it is not the fold of its history';
  }
  return null;
}

function findMissingState({ account, hasState }: Walk): Fault | null {
  if (hasState) return null;
  return { userId: account.userId, seq: account.seq, what: 'the newest entry carries no state' };
}

/** Digests the newest hash of every account as of a moment, accounts in the order of their ids. */
function createRoot(asOf: number) {
  const digest: Hash = createHash('sha256');
  let head: string | null = null;
  let accounts = 0;
  let entries = 0;
  return {
    add(entry: Entry, hash: string): void {
      if (entry.createdAt > asOf) return;
      head = JSON.stringify([entry.userId, entry.seq, hash]);
      entries += 1;
    },
    endAccount(): void {
      if (head === null) return;
      digest.update(head);
      accounts += 1;
      head = null;
    },
    entries: () => entries,
    toString(): string {
      const time = new Date(asOf).toISOString();
      return ['purser-root-1', time, accounts, entries, digest.copy().digest('hex')].join('/');
    },
  };
}

/** The moment of which a root speaks, in milliseconds; throws a sentence when it is not a root. */
function parseRoot(text: string): number {
  const [, time] = /^purser-root-1\/([^/]+)\/\d+\/\d+\/[0-9a-f]{64}$/.exec(text.trim()) ?? [];
  const asOf = Date.parse(time ?? '');
  if (Number.isNaN(asOf)) {
    throw new Error('That is not a root. It looks like purser-root-1/2026-01-01T00:00:00.000Z/…');
  }
  return asOf;
}
