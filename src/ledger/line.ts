import { openSession, type Session, type SessionOptions } from '../db/session.ts';

/** One connection, opened when it is needed, and the one task at a time that uses it. */
export interface Line {
  readonly open: (options: SessionOptions) => Promise<Session>;
  /** Breaks the connection at once; the next `open` makes a new one. */
  readonly breakOff: () => void;
  /** Starts the task, or, when one runs, starts it again as soon as that one has ended. */
  readonly start: (task: () => Promise<void>) => void;
  /** Resolves when no task is left. */
  readonly idle: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export function createLine(): Line {
  let session: Session | null = null;
  let running: Promise<void> | null = null;
  let next: (() => Promise<void>) | null = null;

  async function runAll(task: () => Promise<void>): Promise<void> {
    await task();
    // What was asked for while the task was ending would otherwise wait for the next caller.
    for (let again = next; again; again = next) {
      next = null;
      await again();
    }
    running = null;
  }

  return {
    async open(options) {
      session ??= await openSession(options);
      return session;
    },
    breakOff() {
      session?.destroy();
      session = null;
    },
    start(task) {
      if (running) next = task;
      else running = runAll(task);
    },
    async idle() {
      await running;
    },
    async close() {
      await session?.close();
    },
  };
}
