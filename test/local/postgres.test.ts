import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type LocalPostgres, startLocalPostgres } from '../../src/local/postgres.ts';

const isRoot = process.getuid?.() === 0;

let base: string;
let folder: string;
let started: LocalPostgres[] = [];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'purser-local-'));
  folder = base;
});

afterEach(async () => {
  for (const postgres of started) await postgres.stop();
  for (const place of [base, ...started.map((postgres) => postgres.folder)]) {
    await rm(place, { recursive: true, force: true });
  }
  started = [];
});

async function start(): Promise<LocalPostgres> {
  const postgres = await startLocalPostgres({ folder });
  started.push(postgres);
  return postgres;
}

async function sql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** Whether a Postgres answers there. (Its process id may live on as a zombie.) */
const answers = (url: string): Promise<boolean> =>
  sql(url, 'SELECT 1').then(
    () => true,
    () => false,
  );

/** A Node process of its own that starts Postgres in `folder` and goes on living. */
async function startInChild() {
  const module = new URL('../../src/local/postgres.ts', import.meta.url).href;
  const script = `
    import { startLocalPostgres } from ${JSON.stringify(module)};
    const { url, pid } = await startLocalPostgres({ folder: ${JSON.stringify(folder)} });
    process.send({ url, pid });
    process.on('message', () => {});`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [postgres] = (await once(child, 'message')) as [{ url: string; pid: number }];
  const kill = async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { ...postgres, kill };
}

it('keeps its data between a stop and the next start', async () => {
  const first = await start();
  await sql(first.url, 'CREATE TABLE kept AS SELECT 42 AS n');
  await first.stop();
  expect(await answers(first.url)).toBe(false);

  const second = await start();
  expect(await sql(second.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
});

const isCopyOfPrograms = (name: string) => name.startsWith('binaries-');

it('is durable, on 127.0.0.1 only, in UTF-8 and UTC, and wants its password', async () => {
  const { url, note } = await start();
  const settings = await sql(
    url,
    `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes',
       'listen_addresses', 'synchronous_commit', 'unix_socket_directories', 'TimeZone',
       'server_encoding', 'password_encryption')`,
  );
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    fsync: 'on',
    full_page_writes: 'on',
    listen_addresses: '127.0.0.1',
    synchronous_commit: 'on',
    unix_socket_directories: '',
    TimeZone: 'UTC',
    server_encoding: 'UTF8',
    password_encryption: 'scram-sha-256',
  });
  const [database] = await sql(url, 'SELECT current_database() AS name');
  expect(database).toEqual({ name: 'purser' });

  const { password, href } = new URL(url);
  await expect(sql(href.replace(password, 'guess'), 'SELECT 1')).rejects.toThrow(/password/);
  // Where `nobody` cannot reach the clone either, the programs are copied, and that is said.
  expect(note === null).toBe(!(await readdir(folder)).some(isCopyOfPrograms));
});

it('keeps the password in one file that only its owner reads', async () => {
  await start();
  const cluster = join(folder, 'cluster');
  expect((await stat(join(cluster, 'password'))).mode & 0o777).toBe(0o600);
  expect((await readdir(cluster)).sort()).toEqual(['data', 'password']);
  const kept = (await readdir(folder)).filter((name) => !isCopyOfPrograms(name));
  expect(kept.sort()).toEqual(['cluster', 'owner', 'postgres.log']);
});

it('is one Postgres for two that start it at once', async () => {
  const [first, second] = await Promise.all([start(), start()]);
  expect(second.pid).toBe(first.pid);
  expect(second.url).toBe(first.url);
});

it('is stopped by its owner, not by who joined', async () => {
  const owner = await start();
  const guest = await start();
  expect(guest.pid).toBe(owner.pid);

  await guest.stop();
  expect(await sql(owner.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  await owner.stop();
  expect(await answers(owner.url)).toBe(false);
});

it('outlives a kill -9 of its owner; the next start joins it and stops it in the end', async () => {
  const child = await startInChild();
  await sql(child.url, 'CREATE TABLE kept AS SELECT 42 AS n');
  await child.kill();
  expect(await answers(child.url)).toBe(true);

  const postgres = await start();
  expect(postgres.pid).toBe(child.pid);
  expect(await sql(postgres.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
  await postgres.stop();
  expect(await answers(child.url)).toBe(false);
});

it('comes back with every committed row after a kill -9 of the postmaster', async () => {
  const killed = await start();
  await sql(killed.url, 'CREATE TABLE kept AS SELECT 42 AS n');
  const busy = new pg.Client({ connectionString: killed.url });
  busy.on('error', () => {});
  await busy.connect();
  // A backend that computes does not notice that its postmaster died, and is in the way.
  const query = busy.query('SELECT sum(n) FROM generate_series(1, 5e6) n').catch(() => {});
  await vi.waitUntil(async () => {
    const active = `SELECT FROM pg_stat_activity WHERE state = 'active' AND query ~ '^SELECT sum'`;
    return (await sql(killed.url, active)).length === 1;
  });
  process.kill(killed.pid, 'SIGKILL');

  const postgres = await start();
  expect(postgres.pid).not.toBe(killed.pid);
  expect(await sql(postgres.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
  await query;
  await busy.end();
});

it('is not held up by a stale postmaster.pid whose number went to another process', async () => {
  const killed = await start();
  process.kill(killed.pid, 'SIGKILL');
  await vi.waitUntil(async () => !(await answers(killed.url)));
  const { port } = new URL(killed.url);
  const lines = [
    process.pid,
    join(folder, 'cluster', 'data'),
    1,
    port,
    '',
    '127.0.0.1',
    '',
    'ready',
  ];
  await writeFile(join(folder, 'cluster', 'data', 'postmaster.pid'), lines.join('\n'));

  const postgres = await start();
  expect(await sql(postgres.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
});

it('redoes an initialisation that was killed half-way', async () => {
  const dead = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(dead, 'exit');
  const draft = `draft-${dead.pid}-AbCdEf`;
  await mkdir(join(folder, draft, 'data'), { recursive: true });
  await writeFile(join(folder, draft, 'data', 'PG_VERSION'), '18\n');

  const postgres = await start();
  expect(await sql(postgres.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  expect(await readdir(folder)).not.toContain(draft);
});

it('keeps its data where the user of Postgres reaches them, and says where', async () => {
  // For root, that user is `nobody`, who may not pass a folder of mode 0700.
  folder = join(base, 'home', 'data');
  await mkdir(join(base, 'home'), { mode: 0o700 });

  const first = await start();
  await sql(first.url, 'CREATE TABLE kept AS SELECT 42 AS n');
  await first.stop();
  const second = await start();

  expect(second.folder === folder).toBe(!isRoot);
  expect(second.note === null).toBe(!isRoot);
  expect(second.note ?? folder).toContain(second.folder);
  expect(second.folder).toBe(first.folder);
  expect(await sql(second.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
});

it('rejects with a sentence when it cannot use the folder', async () => {
  folder = join(base, 'file');
  await writeFile(folder, '');
  await expect(start()).rejects.toThrow(
    /^The local Postgres in .* did not start: .* Set DATABASE_URL/,
  );
});
