import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let folder: string;

beforeEach(async () => {
  database = await createEmptyDatabase();
  folder = await mkdtemp(join(tmpdir(), 'purser-migrations-'));
  await write('0001_first.sql', 'CREATE TABLE first (n int); INSERT INTO first VALUES (1);');
  await write('0002_second.sql', 'INSERT INTO first VALUES (2);');
});

afterEach(async () => {
  await rm(folder, { recursive: true });
  await database.drop();
});

const write = (name: string, sql: string) => writeFile(join(folder, name), sql);

const relations = async () =>
  (
    await database.sql<{ name: string }>(
      `SELECT relname AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY relname`,
    )
  ).map((row) => row.name);

it('applies every file once, in order, and says which', async () => {
  const said: string[] = [];
  const options = { folder, log: (sentence: string) => said.push(sentence) };

  expect(await migrate(database.pool, options)).toEqual({
    applied: ['0001_first.sql', '0002_second.sql'],
  });
  expect(await migrate(database.url, options)).toEqual({ applied: [] });

  expect(said).toHaveLength(2);
  expect(await database.sql('SELECT n FROM first ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }]);
});

it('applies only what is new to a database that has the rest', async () => {
  await migrate(database.pool, { folder });
  await write('0003_third.sql', 'INSERT INTO first VALUES (3);');

  expect(await migrate(database.pool, { folder })).toEqual({ applied: ['0003_third.sql'] });
});

it('applies a file once when many servers start at the same moment', async () => {
  await write('0003_slow.sql', 'SELECT pg_sleep(0.2); INSERT INTO first VALUES (3);');

  const results = await Promise.all([1, 2, 3, 4, 5].map(() => migrate(database.url, { folder })));

  expect(results.flatMap(({ applied }) => applied).sort()).toEqual([
    '0001_first.sql',
    '0002_second.sql',
    '0003_slow.sql',
  ]);
  expect(await database.sql('SELECT n FROM first ORDER BY n')).toEqual([
    { n: 1 },
    { n: 2 },
    { n: 3 },
  ]);
});

it('rolls a failing file back as a whole, keeps those before it, and can be run again', async () => {
  await write('0003_broken.sql', 'INSERT INTO first VALUES (3); SELECT 1/0;');

  await expect(migrate(database.pool, { folder })).rejects.toThrow(
    'Migration 0003_broken.sql failed and was rolled back: division by zero',
  );
  expect(await database.sql('SELECT n FROM first ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }]);

  await write('0003_broken.sql', 'INSERT INTO first VALUES (3);');
  expect(await migrate(database.pool, { folder })).toEqual({ applied: ['0003_broken.sql'] });
});

it('refuses a file that was edited after it was applied', async () => {
  await migrate(database.pool, { folder });
  await write('0001_first.sql', 'CREATE TABLE first (n bigint);');
  await write('0003_third.sql', 'INSERT INTO first VALUES (3);');

  await expect(migrate(database.pool, { folder })).rejects.toThrow('0001_first.sql was edited');
  expect(await database.sql('SELECT n FROM first ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }]);
});

it('takes a file that was checked out with CRLF line ends for the same file', async () => {
  await write('0003_lines.sql', 'SELECT 1;\nSELECT 2;\n');
  await migrate(database.pool, { folder });
  await write('0003_lines.sql', 'SELECT 1;\r\nSELECT 2;\r\n');

  expect(await migrate(database.pool, { folder })).toEqual({ applied: [] });
});

it('refuses a database that is newer than the code', async () => {
  await migrate(database.pool, { folder });
  await rm(join(folder, '0002_second.sql'));

  await expect(migrate(database.pool, { folder })).rejects.toThrow(
    'the database is newer than the code',
  );
});

it.each([
  ['a gap', '0002_second.sql', '0003_second.sql'],
  ['a duplicate number', '0002_second.sql', '0001_second.sql'],
  ['a name without a number', '0002_second.sql', 'second.sql'],
])('refuses files with %s before it touches the database', async (_, from, to) => {
  await rename(join(folder, from), join(folder, to));

  await expect(migrate(database.pool, { folder })).rejects.toThrow('numbered from 1 without gaps');
  expect(await relations()).toEqual([]);
});

it.each(['credit_ledger', 'stripe_customers'])(
  'does not touch a database that holds an older %s, and names `purser adopt`',
  async (table) => {
    await database.sql(`CREATE TABLE ${table} (user_id text)`);
    await database.sql(`INSERT INTO ${table} VALUES ('u1')`);

    await expect(migrate(database.pool, { folder })).rejects.toThrow(/purser adopt/);

    expect(await relations()).toEqual([table]);
    expect(await database.sql(`SELECT * FROM ${table}`)).toEqual([{ user_id: 'u1' }]);
  },
);

it('leaves no lock, no setting, no transaction and no connection behind', async () => {
  const pool = database.pool;
  await migrate(pool, { folder });

  expect(pool.totalCount).toBe(pool.idleCount);
  const [session] = await database.sql('SELECT now() = statement_timestamp() AS "isFresh"');
  expect(session).toEqual({ isFresh: true });
  expect(await database.sql('SHOW lock_timeout')).toEqual([{ lock_timeout: '0' }]);
  expect(await database.sql(`SELECT * FROM pg_locks WHERE locktype = 'advisory'`)).toEqual([]);
});
