import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from './postmaster.ts';

/** Where a server on this machine is reached, for the commands that talk to it. */
export interface Running {
  readonly url: string;
  /** The simulated Stripe beside it; null when it uses the real one. */
  readonly fakeStripe: string | null;
  /** With the password, so the note is readable only by its owner. */
  readonly databaseUrl: string;
}

const NOTE = /^running\.(\d+)\.json$/;

/**
 * Leaves a note of the running server; the returned function takes it away. Every process leaves
 * its own: two servers may share a folder.
 */
export async function announce(folder: string, running: Running): Promise<() => Promise<void>> {
  const note = join(folder, `running.${process.pid}.json`);
  await writeFile(note, `${JSON.stringify(running, null, 2)}\n`, { mode: 0o600 });
  return () => rm(note, { force: true });
}

/** Finds a server that was started with this folder, or says how to start one. */
export async function findRunning(folder: string): Promise<Running> {
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = NOTE.exec(name)?.[1];
    const running = pid ? await readNote(join(folder, name), Number(pid)) : null;
    if (running) return running;
  }
  throw new Error('No server runs here. Start one with `npm start` and leave it running.');
}

/**
 * Null when the server has ended without taking its note away; then that is made up for. That its
 * address answers is not enough: the next server usually has the same one.
 */
async function readNote(file: string, pid: number): Promise<Running | null> {
  try {
    if (!isAlive(pid)) throw new Error(`process ${pid} has ended`);
    const running: Running = JSON.parse(await readFile(file, 'utf8'));
    await fetch(`${running.url}/livez`, { signal: AbortSignal.timeout(2_000) });
    return running;
  } catch {
    await rm(file, { force: true });
    return null;
  }
}
