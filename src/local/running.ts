import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a server on this machine is reached, for the commands that talk to it. */
export interface Running {
  readonly url: string;
  /** The simulated Stripe beside it; null when it uses the real one. */
  readonly fakeStripe: string | null;
  /** With the password, so the note is readable only by its owner. */
  readonly databaseUrl: string;
}

const fileIn = (folder: string) => join(folder, 'running.json');

/** Leaves a note of the running server; the returned function takes it away. */
export async function announce(folder: string, running: Running): Promise<() => Promise<void>> {
  await writeFile(fileIn(folder), `${JSON.stringify(running, null, 2)}\n`, { mode: 0o600 });
  return () => rm(fileIn(folder), { force: true });
}

/** Finds the server that was started with this folder, or says how to start one. */
export async function findRunning(folder: string): Promise<Running> {
  try {
    const running: Running = JSON.parse(await readFile(fileIn(folder), 'utf8'));
    await fetch(`${running.url}/livez`, { signal: AbortSignal.timeout(2_000) });
    return running;
  } catch (cause) {
    throw new Error('No server runs here. Start one with `npm start` and leave it running.', {
      cause,
    });
  }
}
