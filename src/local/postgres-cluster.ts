import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clusterOf, exists, type Home, moveIntoPlace, programOf, run } from './postgres-home.ts';
import { isAlive } from './postmaster.ts';

/** The cluster's superuser. */
export const SUPERUSER = 'purser';

/**
 * Makes the cluster in a draft folder and renames it when it is whole: a run that was killed in
 * between leaves a draft that nobody takes for a cluster, and of two runs at once one wins.
 */
export async function createCluster(home: Home, durable: boolean): Promise<void> {
  await removeDeadDrafts(home.folder);
  const cluster = clusterOf(home.folder);
  if (await exists(cluster)) return;

  const draft = await makeDraft(home.folder);
  if (home.user !== null) await chmod(draft, 0o711);
  const give = async (path: string) => {
    if (home.user !== null) await chown(path, home.user.uid, home.user.gid);
  };
  const password = randomBytes(24).toString('base64url');
  await writeFile(join(draft, 'password'), password, { mode: 0o600 });
  const passwordForInitdb = join(draft, 'password-for-initdb');
  await writeFile(passwordForInitdb, password, { mode: 0o600 });
  await give(passwordForInitdb);
  const data = join(draft, 'data');
  await mkdir(data, { mode: 0o700 });
  await give(data);

  const args = [
    `--pgdata=${data}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordForInitdb}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // Postgres' own C.UTF-8: the same on every system, whatever locales its C library has.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    ...(durable ? [] : ['--no-sync']),
  ];
  await run(programOf(home.binaries, 'initdb'), args, home.user);
  await rm(passwordForInitdb);
  await moveIntoPlace(draft, cluster);
}

/** A folder to prepare something in; the process id in its name tells when it can be removed. */
export const makeDraft = (folder: string): Promise<string> =>
  mkdtemp(join(folder, `draft-${process.pid}-`));

async function removeDeadDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^draft-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    // An initdb that outlived its Node may still write there; the next start tries again.
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
  }
}
