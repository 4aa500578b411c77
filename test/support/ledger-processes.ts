import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Command, Outcome } from '../../src/ledger/core/command.ts';
import type { Limits } from '../../src/ledger/core/limits.ts';
import type { Answered, Asked, Order } from './ledger-process.ts';

const PROGRAM = fileURLToPath(new URL('ledger-process.ts', import.meta.url));

/** A ledger in a process of its own. */
export interface LedgerProcess {
  /** Opens the ledger anew, so many milliseconds ahead of the database's clock. */
  readonly open: (url: string, limits: Limits, clockOffset: number) => Promise<void>;
  readonly post: (command: Command) => Promise<Outcome>;
  /** How often two transactions wrote the same entry, so far: a bug in the locking. */
  readonly lockViolations: () => number;
  readonly stop: () => Promise<void>;
}

export function startLedgerProcess(): LedgerProcess {
  const child = fork(PROGRAM, { execArgv: [] });
  const waiting = new Map<number, PromiseWithResolvers<Outcome | null>>();
  let asked = 0;
  let lockViolations = 0;

  child.on('message', ({ id, outcome, error, ...more }: Answered) => {
    lockViolations = more.lockViolations;
    if (error === null) waiting.get(id)?.resolve(outcome);
    else waiting.get(id)?.reject(new Error(error));
    waiting.delete(id);
  });
  child.on('exit', (code) => {
    for (const one of waiting.values()) one.reject(new Error(`the process ended with ${code}`));
  });

  function ask(order: Order): Promise<Outcome | null> {
    const answer = Promise.withResolvers<Outcome | null>();
    asked += 1;
    waiting.set(asked, answer);
    child.send({ id: asked, order } satisfies Asked);
    return answer.promise;
  }

  return {
    async open(url, limits, clockOffset) {
      await ask({ do: 'open', url, limits, clockOffset });
    },
    async post(command) {
      const outcome = await ask({ do: 'post', command });
      if (!outcome) throw new Error('a ledger must be open to be posted to');
      return outcome;
    },
    lockViolations: () => lockViolations,
    async stop() {
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}
