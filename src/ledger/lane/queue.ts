import { PurserError } from '../../errors.ts';
import type { Command, Settled } from '../core/command.ts';

/** A command that waits for its turn, and the caller who waits for it. */
export interface Waiting {
  readonly command: Command;
  readonly settle: (settled: Settled) => void;
  /** When the caller is told that too much is waiting, by the process's clock, in milliseconds. */
  deadline: number;
  /** When the last round with it must be over, by the same clock. */
  readonly roundsEnd: number;
  /** How often a round with it failed for a passing reason. */
  retries: number;
  /** How often in a row another transaction held its account. */
  skips: number;
}

/** What waits for one account, in order. */
export interface Backlog {
  readonly userId: string;
  readonly waiting: Waiting[];
  /** True while it is worked on outside the lanes' own rounds. */
  aside: boolean;
}

/** The commands that wait, by account: bounded in all, per account and in time. */
export interface Queue {
  readonly size: () => number;
  /** Throws `overloaded` when the queue or the account's part of it is full. */
  readonly add: (waiting: Waiting) => void;
  /** Takes up to `limit` commands, in order per account, the accounts taking turns. */
  readonly take: (limit: number) => Waiting[];
  /** Until then nothing more is taken of the accounts in a batch that was. */
  readonly endRound: (batch: readonly Waiting[]) => void;
  /** Takes up to `limit` commands of one account that is set aside. */
  readonly takeFrom: (backlog: Backlog, limit: number) => Waiting[];
  /** Puts commands back before the others of their accounts; they count as never taken. */
  readonly putBack: (waiting: readonly Waiting[]) => void;
  /** Leaves an account out of `take`, or lets it in again; returns what waits for it. */
  readonly setAside: (userId: string, aside: boolean) => Backlog;
  /** Rejects, as overloaded, what has waited past its deadline. */
  readonly dropOverdue: (now: number) => void;
}

export interface QueueLimits {
  readonly total: number;
  /** One user's flood must not be another's 503. */
  readonly perAccount: number;
}

export function createQueue(limits: QueueLimits): Queue {
  const backlogs = new Map<string, Backlog>();
  /** The accounts in the rounds that are under way. */
  const underWay = new Set<string>();
  let size = 0;

  function open(userId: string): Backlog {
    const existing = backlogs.get(userId);
    if (existing) return existing;
    const fresh: Backlog = { userId, waiting: [], aside: false };
    backlogs.set(userId, fresh);
    return fresh;
  }

  /** Removes an account that has nothing waiting, or moves it behind the others. */
  function endTurn(backlog: Backlog): void {
    backlogs.delete(backlog.userId);
    if (backlog.waiting.length > 0 || backlog.aside) backlogs.set(backlog.userId, backlog);
  }

  function takeFrom(backlog: Backlog, limit: number): Waiting[] {
    const taken = backlog.waiting.splice(0, limit);
    size -= taken.length;
    return taken;
  }

  return {
    size: () => size,
    takeFrom,

    add(waiting) {
      const backlog = backlogs.get(waiting.command.userId);
      if (size >= limits.total || (backlog?.waiting.length ?? 0) >= limits.perAccount) {
        throw new PurserError('overloaded');
      }
      open(waiting.command.userId).waiting.push(waiting);
      size += 1;
    },

    take(limit) {
      const batch: Waiting[] = [];
      const turns: Backlog[] = [];
      for (const backlog of backlogs.values()) {
        if (batch.length >= limit) break;
        if (backlog.aside || underWay.has(backlog.userId)) continue;
        batch.push(...takeFrom(backlog, limit - batch.length));
        turns.push(backlog);
      }
      turns.forEach(endTurn);
      for (const { userId } of turns) underWay.add(userId);
      return batch;
    },

    endRound(batch) {
      for (const { command } of batch) underWay.delete(command.userId);
    },

    putBack(waiting) {
      for (const one of waiting.toReversed()) open(one.command.userId).waiting.unshift(one);
      size += waiting.length;
    },

    setAside(userId, aside) {
      const backlog = open(userId);
      backlog.aside = aside;
      endTurn(backlog);
      return backlog;
    },

    dropOverdue(now) {
      for (const backlog of backlogs.values()) {
        while ((backlog.waiting[0]?.deadline ?? now) < now) {
          for (const late of takeFrom(backlog, 1)) late.settle(new PurserError('overloaded'));
        }
        if (backlog.waiting.length === 0 && !backlog.aside) backlogs.delete(backlog.userId);
      }
    },
  };
}
