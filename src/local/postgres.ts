import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { createCluster, makeDraft, SUPERUSER } from './postgres-cluster.ts';
import { dataOf, findHome, type Home, passwordFileOf, programOf, run } from './postgres-home.ts';
import {
  findPostmaster,
  isAlive,
  logOf,
  logTail,
  type Postmaster,
  spawnPostmaster,
} from './postmaster.ts';

export interface LocalPostgresOptions {
  /** Where the data are to be kept between runs; made when missing. */
  readonly folder: string;
  /** False gives up every protection against a crash for speed: for throw-away test data only. */
  readonly durable?: boolean;
}

/** A running Postgres of our own. */
export interface LocalPostgres {
  /** With the password: never to be printed. */
  readonly url: string;
  /** Where the data really lie. */
  readonly folder: string;
  /** What a person has to know when the data or the binaries lie elsewhere than asked for. */
  readonly note: string | null;
  /** The postmaster's process id. */
  readonly pid: number;
  /** The file that it logs to. */
  readonly log: string;
  /** Resolves when it has ended by itself, or when `stop` was called. */
  readonly watch: () => Promise<'ended' | 'stopped'>;
  /** Shuts Postgres down if it is ours to stop (see `startLocalPostgres`). */
  readonly stop: () => Promise<void>;
}

const DATABASE = 'purser';
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 25;
/** With the pauses between them about ten seconds: orphaned backends of a killed postmaster. */
const START_ATTEMPTS = 8;
const SHUTDOWN_SECONDS = 15;
const WATCH_MS = 500;

/**
 * Starts the Postgres whose data lie in `folder`, or joins the one that already runs there.
 *
 * Postgres is a process group of its own, so neither Ctrl-C nor `kill -9` of Node ends it. Whoever
 * starts it owns it, and only the owner's `stop` shuts it down; who joins it while its owner lives
 * leaves it alone. When the owner is dead, the next to join becomes the owner.
 *
 * Rejects with a plain Error whose message says what to do.
 */
export async function startLocalPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  const wanted = resolve(options.folder);
  const durable = options.durable ?? true;
  try {
    const home = await findHome(wanted);
    await createCluster(home, durable);
    const password = await readFile(passwordFileOf(home.folder), 'utf8');
    const { spawned, ...postmaster } = await joinOrStart(home, password, durable);
    await createDatabase(postmaster, password);
    const mark = await claim(home, spawned);
    const stopping = new AbortController();
    return {
      url: urlOf(postmaster, password, DATABASE),
      folder: home.folder,
      note: home.note,
      pid: postmaster.pid,
      log: logOf(home),
      watch: () => watch(home, postmaster.pid, stopping.signal),
      stop: async () => {
        stopping.abort();
        if (mark !== null && (await readMark(home)) === mark) await shutDown(home);
      },
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `The local Postgres in ${wanted} did not start: ${reason}. ` +
        'Set DATABASE_URL to use another Postgres.',
      { cause },
    );
  }
}

const ownerOf = (home: Home): string => join(home.folder, 'owner');

const urlOf = ({ port }: Postmaster, password: string, database: string): string =>
  `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;

/**
 * One loop for every way in: Postgres runs already, is starting, is stopping, was killed (its
 * stale postmaster.pid and its last backends are in the way for a moment), or is not there.
 */
async function joinOrStart(home: Home, password: string, durable: boolean) {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  let started: Awaited<ReturnType<typeof spawnPostmaster>> | null = null;
  let attempts = 0;
  while (Date.now() < deadline) {
    const postmaster = await findPostmaster(home);
    if (postmaster !== null) {
      if (await answers(home, postmaster, password)) {
        return { ...postmaster, spawned: postmaster.pid === started?.pid };
      }
    } else if (started === null || started.hasEnded()) {
      if (attempts === START_ATTEMPTS) break;
      if (attempts > 0) await delay(Math.min(POLL_MS * 4 ** attempts, 2_000));
      started = await spawnPostmaster(home, durable);
      attempts += 1;
    }
    await delay(POLL_MS);
  }
  throw new Error(`Postgres is not ready; the end of ${logOf(home)} says: ${await logTail(home)}`);
}

/** False: not yet, or no longer. Throws when no waiting can help. */
async function answers(home: Home, postmaster: Postmaster, password: string): Promise<boolean> {
  try {
    const [row] = await query(urlOf(postmaster, password, 'postgres'), 'SHOW data_directory');
    return resolve(String(row?.['data_directory'])) === dataOf(home.folder);
  } catch (error) {
    if ((error as { code?: string }).code !== '28P01') return false;
    throw new Error(
      `Postgres on port ${postmaster.port} refuses the password in ${passwordFileOf(home.folder)}`,
    );
  }
}

async function createDatabase(postmaster: Postmaster, password: string): Promise<void> {
  const url = urlOf(postmaster, password, 'postgres');
  const found = await query(url, `SELECT 1 FROM pg_database WHERE datname = '${DATABASE}'`);
  if (found.length > 0) return;
  await query(url, `CREATE DATABASE ${DATABASE}`).catch((error) => {
    // Somebody who started at the same moment was faster: 42P04 duplicate_database, or 23505.
    if (!['42P04', '23505'].includes(error.code)) throw error;
  });
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Looks again and again: who joined a Postgres is not its parent, and nobody tells it. */
async function watch(home: Home, pid: number, stopped: AbortSignal): Promise<'ended' | 'stopped'> {
  while (!stopped.aborted) {
    if ((await findPostmaster(home))?.pid !== pid) return stopped.aborted ? 'stopped' : 'ended';
    await delay(WATCH_MS, null, { ref: false, signal: stopped }).catch(() => {});
  }
  return 'stopped';
}

/** Leaves a mark as the owner, unless we joined and the owner lives. Of two, the last counts. */
async function claim(home: Home, spawned: boolean): Promise<string | null> {
  const owner = Number.parseInt(await readMark(home), 10);
  if (!spawned && owner > 0 && isAlive(owner)) return null;
  const mark = `${process.pid} ${randomBytes(8).toString('hex')}`;
  const draft = await makeDraft(home.folder);
  await writeFile(join(draft, 'owner'), mark);
  await rename(join(draft, 'owner'), ownerOf(home));
  await rm(draft, { recursive: true });
  return mark;
}

const readMark = (home: Home): Promise<string> => readFile(ownerOf(home), 'utf8').catch(() => '');

/** A fast shutdown; if a backend does not let go, an immediate one, which loses nothing either. */
async function shutDown(home: Home): Promise<void> {
  await rm(ownerOf(home), { force: true });
  for (const mode of ['fast', 'immediate']) {
    if ((await findPostmaster(home)) === null) return;
    const args = ['stop', '-D', dataOf(home.folder), '-m', mode, '-t', String(SHUTDOWN_SECONDS)];
    await run(programOf(home.binaries, 'pg_ctl'), args, home.user).catch(() => {});
  }
  if ((await findPostmaster(home)) === null) return;
  throw new Error(`The local Postgres in ${home.folder} does not stop; its log is ${logOf(home)}`);
}
