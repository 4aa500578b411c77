import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { TEMPLATE } from './postgres.ts';

/** A database of its own for one test file, on the Postgres that all of them share. */
export interface TestDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  /** Runs raw SQL and returns the rows. */
  readonly sql: <Row extends pg.QueryResultRow = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ) => Promise<Row[]>;
  /** Ends the pool and removes the database, whoever is still connected. */
  readonly drop: () => Promise<void>;
}

/** A database with all migrations applied and no rows. */
export const createTestDatabase = (): Promise<TestDatabase> => createDatabase(TEMPLATE);

/** A database without any table, for tests of what comes before the migrations. */
export const createEmptyDatabase = (): Promise<TestDatabase> => createDatabase('template0');

/** Holds the customer's row as another transaction would, until `release`. */
export const holdAccount = (database: Pick<TestDatabase, 'pool'>, userId: string) =>
  holdRows(database, 'SELECT FROM stripe_customers WHERE user_id = $1 FOR UPDATE', [userId]);

/** Holds whatever rows the statement locks as another transaction would, until `release`. */
export async function holdRows(
  { pool }: Pick<TestDatabase, 'pool'>,
  text: string,
  values: readonly unknown[] = [],
): Promise<{ release: () => Promise<void> }> {
  const holder = await pool.connect();
  await holder.query('BEGIN');
  await holder.query(text, [...values]);
  return {
    release: async () => {
      await holder.query('ROLLBACK');
      holder.release();
    },
  };
}

/** How many statements wait for a lock in this database. */
export async function lockWaits({ sql }: Pick<TestDatabase, 'sql'>): Promise<number> {
  const waiting = await sql(
    `SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return waiting.length;
}

/**
 * From here on no row gets into `table` by a commit that a crash of the database could undo. Only
 * new connections are told to wait for the disk: this Postgres as a whole does not, for speed.
 */
export async function refuseForgetfulCommits({ sql }: TestDatabase, table: string): Promise<void> {
  // Deferred, because what is set when the transaction commits is what counts.
  await sql(`
    DO $$ BEGIN
      EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database());
    END $$;
    CREATE FUNCTION refuse_forgetful_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF current_setting('synchronous_commit') <> 'on' THEN
        RAISE EXCEPTION 'a crash could undo this commit';
      END IF;
      RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER refuse_forgetful_commit AFTER INSERT ON ${table}
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_forgetful_commit()`);
}

async function createDatabase(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  // Measured: 20 to 250 ms, as fast as a file of the disk is made; `wal_log` is never faster.
  await administer(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = name;
  // An idle connection that a test terminates on purpose must not end the test run.
  const pool = createPool({ url: url.href, size: 10, onError: () => {} });
  return {
    url: url.href,
    pool,
    sql: async (text, values = []) => (await pool.query(text, [...values])).rows,
    drop: async () => {
      await pool.end();
      await administer(`DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function administer(sql: string): Promise<void> {
  const admin = new pg.Client({ connectionString: inject('postgresUrl') });
  await admin.connect();
  try {
    await admin.query(sql);
  } finally {
    await admin.end();
  }
}

/** How many lanes of all ledgers on this database have a connection: those that were used lately. */
export async function countLanes({ sql }: Pick<TestDatabase, 'sql'>): Promise<number> {
  const [row] = await sql<{ lanes: number }>(
    `SELECT count(*) AS lanes FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'purser lane'`,
  );
  return row?.lanes ?? 0;
}
