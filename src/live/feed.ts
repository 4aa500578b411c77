import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Ledger } from '../ledger/ledger.ts';
import type { Balance } from '../ledger/read/balance.ts';

/** Tells of new balances, whichever process made them. */
export interface Feed {
  /**
   * Calls `changed` with the balance now, before this resolves, and then with every later one: of
   * several at once only with the newest. Throws `database_unavailable` or `overloaded`.
   * @returns what ends it
   */
  readonly watch: (userId: string, changed: Changed) => Promise<() => void>;
  /** The same ledger, of whose commands it is told, so that nobody waits for a tick. */
  readonly watching: (ledger: Ledger) => Ledger;
}

type Changed = (balance: Balance) => void;

export interface FeedOptions {
  readonly ledger: Pick<Ledger, 'balance' | 'balancesAfter'>;
  readonly log: Pick<FastifyBaseLogger, 'warn'>;
  /** Between two looks for what other processes wrote, in milliseconds. */
  readonly everyMs?: number;
}

interface Watched {
  /** The newest entry that all listeners were told of. */
  seq: number;
  readonly listeners: Set<Changed>;
}

/** How many users one statement looks at: some milliseconds of the database's time. */
const CHUNK = 1_000;
/**
 * Between two looks after commands of this process, in milliseconds: the first is at once, and a
 * busy account then costs ten statements a second, whatever happens on it.
 */
const WAKE_PAUSE = 100;

/**
 * Asks once per tick for newer entries of the watched users, and not at all while nobody watches.
 * Each user's own seq is compared: entries of one user commit in order, whereas a cursor over all
 * users would pass by a transaction that commits late. It needs no LISTEN, so it works behind a
 * pooler. While the database is away everybody keeps what they know, and the next tick asks again.
 */
export function createFeed({ ledger, log, everyMs = 1_000 }: FeedOptions): Feed {
  const watched = new Map<string, Watched>();
  const touched = new Set<string>();
  let timer: NodeJS.Timeout | null = null;
  let ticking = false;
  let waking = false;
  let away = false;

  async function watch(userId: string, changed: Changed): Promise<() => void> {
    let seq = -1;
    const listener: Changed = (balance) => {
      if (balance.seq <= seq) return;
      seq = balance.seq;
      changed(balance);
    };
    // Before the balance is read, so that nothing between the two goes unnoticed.
    const stop = listen(userId, listener);
    try {
      const balance = await ledger.balance(userId);
      tell(userId, balance);
      listener(balance);
      return stop;
    } catch (error) {
      stop();
      throw error;
    }
  }

  function listen(userId: string, listener: Changed): () => void {
    const user = watched.get(userId) ?? { seq: 0, listeners: new Set() };
    user.listeners.add(listener);
    watched.set(userId, user);
    timer ??= setInterval(() => void tick(), everyMs).unref();
    return () => {
      user.listeners.delete(listener);
      if (user.listeners.size > 0 || watched.get(userId) !== user) return;
      watched.delete(userId);
      touched.delete(userId);
      if (watched.size > 0 || timer === null) return;
      clearInterval(timer);
      timer = null;
    };
  }

  function tell(userId: string, balance: Balance): void {
    const user = watched.get(userId);
    if (user === undefined || balance.seq <= user.seq) return;
    user.seq = balance.seq;
    for (const listener of user.listeners) listener(balance);
  }

  async function tick(): Promise<void> {
    if (ticking) return;
    ticking = true;
    const userIds = [...watched.keys()];
    let answered = true;
    for (let i = 0; answered && i < userIds.length; i += CHUNK) {
      answered = await look(userIds.slice(i, i + CHUNK));
    }
    ticking = false;
  }

  function touch(userId: string): void {
    if (!watched.has(userId)) return;
    touched.add(userId);
    if (!waking) void wake();
  }

  async function wake(): Promise<void> {
    waking = true;
    while (touched.size > 0) {
      const userIds = [...touched].slice(0, CHUNK);
      for (const userId of userIds) touched.delete(userId);
      await look(userIds);
      await delay(WAKE_PAUSE, null, { ref: false });
    }
    waking = false;
  }

  /** Tells what is new of these users; false when the database did not say. */
  async function look(userIds: readonly string[]): Promise<boolean> {
    const known = new Map<string, number>();
    for (const userId of userIds) {
      const user = watched.get(userId);
      if (user !== undefined) known.set(userId, user.seq);
    }
    try {
      for (const [userId, balance] of await ledger.balancesAfter(known)) tell(userId, balance);
      away = false;
    } catch (error) {
      // Once in an outage, not at every tick.
      if (!away) log.warn({ err: error }, 'what is new for the open streams cannot be read');
      away = true;
    }
    return !away;
  }

  return {
    watch,
    watching: (watchedLedger) => ({
      ...watchedLedger,
      async post(command) {
        try {
          return await watchedLedger.post(command);
        } finally {
          // Also after a refusal, which lets what is due be written, and when the outcome is open.
          touch(command.userId);
        }
      },
      async postAll(commands) {
        try {
          return await watchedLedger.postAll(commands);
        } finally {
          for (const { userId } of commands) touch(userId);
        }
      },
    }),
  };
}
