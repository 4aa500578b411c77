import { rmSync, writeFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { LoggedEvent } from './events.ts';
import type { AnyRecord } from './objects/render.ts';
import type { World } from './world.ts';

/** What is written to disk, so that a restart knows what it sold. */
interface Kept {
  readonly records: readonly AnyRecord[];
  readonly events: readonly LoggedEvent[];
}

export interface Keeper {
  /** Writes what has not been written yet, and lets others have the file. */
  readonly stop: () => Promise<void>;
}

/** As many events are kept, and after so many milliseconds a change is written. */
const EVENTS = 10_000;
const SOON = 100;

/**
 * Fills the world with what the file has, and from then on writes every change to it, as a whole
 * and atomically. Idempotency keys and deliveries that are still to be repeated are not kept.
 * @returns null when another process has the file: then nothing is read or written
 */
export async function keepIn(file: string, world: World): Promise<Keeper | null> {
  const lock = `${file}.lock`;
  if (!(await takeLock(lock))) return null;
  const kept = await read(file);
  for (const record of kept.records) world.store.save(record);
  for (const event of kept.events) world.events.append(event);

  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> = Promise.resolve();
  const writeNow = () => {
    // A folder that is gone or full must not end the server, nor keep it from ending.
    writing = writing.then(() => write(file, world)).catch(() => {});
    return writing;
  };
  world.store.onSave(() => {
    timer ??= setTimeout(() => {
      timer = null;
      void writeNow();
    }, SOON).unref();
  });
  const unlock = () => rmSync(lock, { force: true });
  process.once('exit', unlock);

  return {
    async stop() {
      if (timer) clearTimeout(timer);
      await writeNow();
      process.off('exit', unlock);
      await rm(lock, { force: true });
    },
  };
}

async function read(file: string): Promise<Kept> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    // It is not there yet, or nobody can read it; what was simulated is not worth a failed start.
    return { records: [], events: [] };
  }
}

async function write(file: string, { store, events }: World): Promise<void> {
  const kept: Kept = { records: store.everything(), events: events.since(0).slice(-EVENTS) };
  const next = `${file}.next`;
  await writeFile(next, JSON.stringify(kept), { mode: 0o600 });
  await rename(next, file);
}

/** One process at a time: two would overwrite each other's changes. */
async function takeLock(lock: string): Promise<boolean> {
  for (let tries = 0; tries < 2; tries++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o600 });
      return true;
    } catch {
      const owner = Number(await readFile(lock, 'utf8').catch(() => ''));
      if (owner > 0 && isAlive(owner)) return false;
      await rm(lock, { force: true });
    }
  }
  return false;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
