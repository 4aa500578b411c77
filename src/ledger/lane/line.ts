import { openSession, type Session, type SessionOptions } from '../../db/session.ts';

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

/** How long a connection is kept that nobody uses, in milliseconds: networks forget silent ones. */
const IDLE_TIMEOUT = 30_000;

export function createLine(): Line {
  let session: Promise<Session> | null = null;
  let running: Promise<void> | null = null;
  let next: (() => Promise<void>) | null = null;
  let idleTimer: NodeJS.Timeout | undefined;

  async function runAll(task: () => Promise<void>): Promise<void> {
    clearTimeout(idleTimer);
    await task();
    // What was asked for while the task was ending would otherwise wait for the next caller.
    for (let again = next; again; again = next) {
      next = null;
      await again();
    }
    running = null;
    idleTimer = setTimeout(close, IDLE_TIMEOUT).unref();
  }

  function breakOff(): void {
    // Also a connection that is still being opened: it is destroyed as soon as it is there.
    session?.then(
      (opened) => opened.destroy(),
      () => {},
    );
    session = null;
  }

  async function close(): Promise<void> {
    clearTimeout(idleTimer);
    const last = session;
    session = null;
    await (await last?.catch(() => null))?.close();
  }

  return {
    async open(options) {
      session ??= openSession(options);
      return session;
    },
    breakOff,
    start(task) {
      if (running) next = task;
      else running = runAll(task);
    },
    async idle() {
      await running;
    },
    close,
  };
}
