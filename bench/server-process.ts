import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ServerCounts, ServerSettings } from './server.ts';

/** A server of which the load is measured. */
export interface ServerProcess {
  /** Such as `http://127.0.0.1:40123`. */
  readonly origin: string;
  /** Waits until nothing is under way, and returns how many commands were committed so far. */
  readonly settle: () => Promise<number>;
  readonly stop: () => Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('server.ts', import.meta.url));
/** The classic design needs seconds to work off what a sample on a long history left behind. */
const SETTLE_TIMEOUT = 60_000;

export async function startServer(settings: ServerSettings): Promise<ServerProcess> {
  const child = fork(PROGRAM);
  const { origin } = await ask<{ origin: string }>(child, settings);
  return {
    origin,
    async settle() {
      const until = Date.now() + SETTLE_TIMEOUT;
      while (Date.now() < until) {
        const { accepted, committed } = await ask<ServerCounts>(child, 'counts');
        if (accepted === committed) return committed;
        await delay(20);
      }
      throw new Error(`the ${settings.variant} server accepted commands that never ended`);
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}

/** Sends a message and resolves with the answer; rejects when the process ends instead. */
async function ask<Answer>(child: ChildProcess, message: ServerSettings | 'counts') {
  const done = new AbortController();
  const ended = once(child, 'exit', done).then(([code]) => {
    throw new Error(`the server ended with ${code}`);
  });
  const answered = once(child, 'message', done);
  child.send(message);
  try {
    const [answer] = await Promise.race([answered, ended]);
    return answer as Answer;
  } finally {
    ended.catch(() => {});
    answered.catch(() => {});
    done.abort();
  }
}
