import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';

export interface MigrateOptions {
  /** The folder of numbered files, `0001_ledger.sql` and so on, without gaps. */
  readonly folder: string;
  /** Told one sentence per migration that was applied. */
  readonly log?: (sentence: string) => void;
}

interface Migration {
  readonly name: string;
  readonly checksum: string;
  readonly sql: string;
}

type Applied = Pick<Migration, 'name' | 'checksum'>;

const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;

/** Any number that nothing else in the database locks; these are the bytes of "purser". */
const LOCK_KEY = 0x707572736572;

/** For a second server that starts while the first one migrates. */
const WAIT_FOR_OTHERS = '10min';

/** Short, because everybody queues behind a migration that waits for a busy table. */
const WAIT_FOR_TABLES = '10s';

/** A migration that needs longer sets its own `SET LOCAL statement_timeout`. */
const STATEMENT_LIMIT = '5min';

/**
 * Brings the database to the state of the folder's files: each runs once, in a transaction of its
 * own together with its row in `purser_migrations`. Any number of servers may do it at once.
 *
 * Rejects with an Error, and changes nothing, when an applied file was edited or is unknown, when
 * the numbers have gaps, when older tables are in the way, or when a migration fails (those
 * before it stay applied).
 */
export async function migrate(
  database: string | pg.Pool,
  { folder, log = () => {} }: MigrateOptions,
): Promise<{ applied: string[] }> {
  const migrations = await readMigrations(folder);
  const applied: string[] = [];
  await withConnection(database, async (client) => {
    // Each transaction applies one migration at most, and the last one finds nothing to do.
    for (let turn = 0; turn <= migrations.length; turn += 1) {
      const migration = await inLockedTransaction(client, () => applyNext(client, migrations));
      if (migration === undefined) return;
      applied.push(migration.name);
      log(`Applied migration ${migration.name}.`);
    }
  });
  return { applied };
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  for (const [index, name] of names.entries()) {
    if (Number(FILE_NAME.exec(name)?.[1]) !== index + 1) {
      throw new Error(
        `Migration file ${name} must be number ${index + 1}: files are named like ` +
          '0001_ledger.sql and numbered from 1 without gaps or duplicates.',
      );
    }
  }
  return Promise.all(names.map((name) => readMigration(folder, name)));
}

async function readMigration(folder: string, name: string): Promise<Migration> {
  const text = await readFile(join(folder, name), 'utf8');
  // Git may check a file out with the line ends of Windows: the same migration all the same.
  const sql = text.replaceAll('\r\n', '\n');
  return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
}

async function applyNext(
  client: pg.ClientBase,
  migrations: readonly Migration[],
): Promise<Migration | undefined> {
  const history = await readHistory(client);
  checkHistory(history, migrations);
  const next = migrations[history.length];
  if (next === undefined) return undefined;
  if (history.length === 0) await prepareEmptyDatabase(client);
  try {
    await client.query(next.sql);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Migration ${next.name} failed and was rolled back: ${reason}`, { cause });
  }
  await client.query('INSERT INTO purser_migrations (name, checksum) VALUES ($1, $2)', [
    next.name,
    next.checksum,
  ]);
  return next;
}

async function readHistory(client: pg.ClientBase): Promise<Applied[]> {
  const { rows } = await client.query(`SELECT to_regclass('purser_migrations') AS "table"`);
  if (rows[0].table === null) return [];
  const history = await client.query<Applied>(
    'SELECT name, checksum FROM purser_migrations ORDER BY name COLLATE "C"',
  );
  return history.rows;
}

/** The history must be the beginning of the files: nothing edited, nothing unknown, no gap. */
function checkHistory(history: readonly Applied[], migrations: readonly Migration[]): void {
  for (const [index, { name, checksum }] of history.entries()) {
    const migration = migrations[index];
    if (!migrations.some((known) => known.name === name)) {
      throw new Error(
        `The database has migration ${name}, which this version of Purser does not know: the ` +
          'database is newer than the code. Deploy the version that migrated it, or a later one.',
      );
    }
    if (migration?.name !== name) {
      throw new Error(`The database has migration ${name} but lacks ${migration?.name} before it.`);
    }
    if (migration.checksum !== checksum) {
      throw new Error(
        `Migration ${name} was edited after it was applied. Migrations are never edited: ` +
          'restore the file and put the change into a new one.',
      );
    }
  }
}

async function prepareEmptyDatabase(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT name FROM unnest(ARRAY['credit_ledger', 'stripe_customers']) AS name
      WHERE to_regclass(name) IS NOT NULL`,
  );
  if (rows.length > 0) {
    throw new Error(
      `The database already holds ${rows.map((row) => row.name).join(' and ')}, which Purser's ` +
        'migrations did not make. Nothing was touched. To take these tables over with every row, ' +
        'run `purser adopt`; to keep them apart, use another database.',
    );
  }
  await client.query(`
    CREATE TABLE IF NOT EXISTS purser_migrations (
      name       text COLLATE "C" PRIMARY KEY,
      checksum   text        NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`);
}

/**
 * The lock and every setting end with the transaction: behind PgBouncer the next one may run on
 * another session. READ COMMITTED, so that what is read after the wait for the lock is what the
 * one before us committed.
 */
async function inLockedTransaction<T>(client: pg.ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
  try {
    await client.query(
      `SET LOCAL lock_timeout = '${WAIT_FOR_OTHERS}'; SET LOCAL statement_timeout = 0`,
    );
    await client.query(`SELECT pg_advisory_xact_lock(${LOCK_KEY})`);
    await client.query(
      `SET LOCAL lock_timeout = '${WAIT_FOR_TABLES}';
       SET LOCAL statement_timeout = '${STATEMENT_LIMIT}'`,
    );
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // The error that brought us here is the one to tell, even if the connection is gone.
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

async function withConnection(
  database: string | pg.Pool,
  work: (client: pg.ClientBase) => Promise<void>,
): Promise<void> {
  // A connection that breaks says so through its query as well; unheard, the event ends Node.
  const ignore = () => {};
  if (typeof database === 'string') {
    const client = new pg.Client({ connectionString: database, connectionTimeoutMillis: 30_000 });
    client.on('error', ignore);
    try {
      await client.connect().catch(refuseToGoOn);
      await work(client);
    } finally {
      await client.end().catch(ignore);
    }
    return;
  }
  const client = await database.connect();
  client.on('error', ignore);
  let failed = true;
  try {
    await work(client);
    failed = false;
  } finally {
    client.off('error', ignore);
    client.release(failed);
  }
}

/** Says what to look at where Node and Postgres only say what happened. */
function refuseToGoOn(cause: unknown): never {
  // Every address of a name refused the connection; the text of the error itself is then empty.
  const errors: unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  const reasons = errors.map((error) => (error instanceof Error ? error.message : String(error)));
  throw new Error(
    `There is no connection to the database: ${reasons.join('; ')}. Look at DATABASE_URL.`,
    { cause },
  );
}
