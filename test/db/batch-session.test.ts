import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type BatchStatement, createBatchSession } from '../../src/db/batch-session.ts';
import { coalesce } from '../../src/db/coalesce.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startPgBouncer } from '../support/pgbouncer.ts';

const DOUBLE: BatchStatement = {
  name: 'double',
  durable: false,
  text: `SELECT n * 2 AS doubled, current_setting('enable_seqscan') AS scans
           FROM unnest($1::int[]) WITH ORDINALITY AS a (n, place)
          ORDER BY place`,
};

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** Doubles numbers through several sessions on `url`, many at once. */
async function doubleMany(url: string): Promise<void> {
  const sessions = [1, 2, 3, 4].map(() => createBatchSession(url));
  onTestFinished(async () => {
    for (const session of sessions) await session.close();
  });
  const doubles = sessions.map((session) =>
    coalesce(
      async (numbers: readonly number[]) => {
        const rows = await session.run<{ doubled: number; scans: string }>(DOUBLE, [numbers]);
        expect(rows.every(({ scans }) => scans === 'off')).toBe(true);
        return rows.map(({ doubled }) => doubled);
      },
      { limit: 10 },
    ),
  );
  const numbers = Array.from({ length: 400 }, (_, i) => i);
  const doubled = await Promise.all(numbers.map((n) => doubles[n % doubles.length]?.(n)));
  expect(doubled).toEqual(numbers.map((n) => n * 2));
}

test('its settings hold for its own transactions', () => doubleMany(database.url));

test('what comes after the end is refused', async () => {
  const session = createBatchSession(database.url);
  await session.run(DOUBLE, [[1]]);
  await session.close();
  const refused = { code: 'database_unavailable' };
  await expect(session.run(DOUBLE, [[1]])).rejects.toMatchObject(refused);
});

test('the connection serves on after a statement that fails', async () => {
  const session = createBatchSession(database.url);
  onTestFinished(() => session.close());
  const divide = { name: 'divide', durable: true, text: 'SELECT 1 / $1::int AS result' };
  await expect(session.run(divide, [0])).rejects.toMatchObject({ code: '22012' });
  expect(await session.run(divide, [1])).toEqual([{ result: 1 }]);
});

const program = process.env['PGBOUNCER'];

describe.skipIf(!program)('behind PgBouncer in transaction mode', () => {
  test('everybody gets an answer, with or without prepared statements, and nothing leaks', async () => {
    const bouncer = await startPgBouncer(program ?? '', database.url);
    onTestFinished(() => bouncer.stop());
    await doubleMany(bouncer.url);
    const plain = new pg.Client({ connectionString: bouncer.url });
    await plain.connect();
    expect((await plain.query('SHOW enable_seqscan')).rows).toEqual([{ enable_seqscan: 'on' }]);
    await plain.end();
  });
});
