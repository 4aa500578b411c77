import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createPool } from '../../src/db/pool.ts';
import { isUnavailable } from '../../src/db/sqlstate.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startPgBouncer } from '../support/pgbouncer.ts';

const program = process.env['PGBOUNCER'];

let database: TestDatabase;
const pools: pg.Pool[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.end()));
});
afterAll(() => database.drop());

function openPool(url: string, onError: (error: Error) => void = () => {}): pg.Pool {
  const pool = createPool({ url, size: 4, queryTimeout: 200, onError });
  pools.push(pool);
  return pool;
}

async function expectNobodyLeftWaiting(url: string): Promise<void> {
  const pool = openPool(url);
  const blocker = await database.pool.connect();
  await blocker.query('BEGIN; LOCK TABLE stripe_events');
  try {
    const read = () => pool.query('SELECT FROM stripe_events').catch((reason) => reason);
    for (const error of await Promise.all([1, 2, 3, 4].map(read))) {
      expect(isUnavailable(error), String(error)).toBe(true);
    }
    await vi.waitFor(async () => {
      const waiting = await database.sql(
        `SELECT query FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      expect(waiting).toEqual([]);
    });
  } finally {
    await blocker.query('ROLLBACK');
    blocker.release();
  }
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
}

describe('queries that take too long leave nothing waiting on the server', () => {
  test('connected to Postgres itself', () => expectNobodyLeftWaiting(database.url));

  test.skipIf(!program)('behind PgBouncer in transaction mode', async () => {
    const bouncer = await startPgBouncer(program ?? '', database.url);
    try {
      await expectNobodyLeftWaiting(bouncer.url);
    } finally {
      await bouncer.stop();
    }
  });
});

test('what is said of a broken idle connection holds nothing of the connection', async () => {
  const errors: Error[] = [];
  const pool = openPool(database.url, (error) => errors.push(error));
  const { rows } = await pool.query('SELECT pg_backend_pid() AS pid');
  await database.sql('SELECT pg_terminate_backend($1)', [rows[0].pid]);
  await vi.waitFor(() => expect(errors).toHaveLength(1));
  expect(errors[0]?.message).toContain('terminating connection');
  expect(errors[0]).not.toHaveProperty('client');
});
