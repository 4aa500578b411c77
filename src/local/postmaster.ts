import { spawn } from 'node:child_process';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findFreePort } from './free-port.ts';
import { dataOf, type Home, programOf, run, spawnOptions } from './postgres-home.ts';

/** Postgres' first process, the one that listens. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

const LOG_LIMIT_BYTES = 10_000_000;

export const logOf = (home: Home): string => join(home.folder, 'postgres.log');

/** Starts a postmaster that Ctrl-C does not reach. That it listens is not awaited. */
export async function spawnPostmaster(home: Home, durable: boolean) {
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${await findFreePort()}`,
    'unix_socket_directories=',
    'max_connections=100',
    'timezone=UTC',
    'log_timezone=UTC',
    `fsync=${durable ? 'on' : 'off'}`,
    `synchronous_commit=${durable ? 'on' : 'off'}`,
    `full_page_writes=${durable ? 'on' : 'off'}`,
  ];
  const log = await openLog(home);
  const args = ['-D', dataOf(home.folder), ...settings.flatMap((setting) => ['-c', setting])];
  const child = spawn(programOf(home.binaries, 'postgres'), args, {
    ...spawnOptions(home.user),
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  child.once('error', () => {
    ended = true;
  });
  child.unref();
  await log.close();
  return { pid: child.pid, hasEnded: () => ended };
}

/** The process that postmaster.pid names, if it lives and is the postmaster of this folder. */
export async function findPostmaster(home: Home): Promise<Postmaster | null> {
  const file = join(dataOf(home.folder), 'postmaster.pid');
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  // https://www.postgresql.org/docs/current/storage-file-layout.html: pid, folder, time, port, …
  if (!(pid > 0) || !(port > 0) || !isAlive(pid)) return null;
  if (await isPostmasterOf(pid, dataOf(home.folder))) return { pid, port };
  // Its id went to another process, or it is dead and not reaped. Postgres would take it for
  // alive and refuse; its own check of the shared memory still protects the data.
  await rm(file, { force: true });
  return null;
}

async function isPostmasterOf(pid: number, data: string): Promise<boolean> {
  if (process.platform === 'win32') return true;
  const command =
    process.platform === 'linux'
      ? readFile(`/proc/${pid}/cmdline`, 'utf8')
      : run('/bin/ps', ['-ww', '-o', 'command=', '-p', String(pid)], null);
  return (await command.catch(() => '')).includes(data);
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function openLog(home: Home) {
  const log = await open(logOf(home), 'a', 0o600);
  if ((await log.stat()).size < LOG_LIMIT_BYTES) return log;
  await log.close();
  await rename(logOf(home), `${logOf(home)}.1`);
  return open(logOf(home), 'a', 0o600);
}

/** The last lines of the log, for an error message. */
export async function logTail(home: Home): Promise<string> {
  const log = await readFile(logOf(home), 'utf8').catch(() => '');
  return log.trimEnd().split('\n').slice(-4).join(' | ');
}
