/** The program of a process with a ledger of its own, which posts what its parent sends. */
import { createPool } from '../../src/db/pool.ts';
import type { Command, Outcome } from '../../src/ledger/core/command.ts';
import type { Limits } from '../../src/ledger/core/limits.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';

export type Order =
  /** Opens a ledger in place of the one before. */
  | {
      readonly do: 'open';
      readonly url: string;
      readonly limits: Limits;
      readonly clockOffset: number;
    }
  | { readonly do: 'post'; readonly command: Command };

export interface Asked {
  readonly id: number;
  readonly order: Order;
}

export interface Answered {
  readonly id: number;
  readonly outcome: Outcome | null;
  readonly error: string | null;
  /** How often two transactions wrote the same entry, so far. */
  readonly lockViolations: number;
}

let ledger: Ledger | null = null;
let lockViolations = 0;

async function carryOut(order: Order): Promise<Outcome | null> {
  if (order.do === 'post') return (await ledger?.post(order.command)) ?? null;
  await close();
  const pool = createPool({ url: order.url, size: 1, onError: () => {} });
  ledger = createLedger({ ...order, pool });
  return null;
}

async function close(): Promise<void> {
  await ledger?.close();
  lockViolations += ledger?.counts.lockViolations ?? 0;
}

function answer({ id }: Asked, outcome: Outcome | null, error: string | null): void {
  const counted = lockViolations + (ledger?.counts.lockViolations ?? 0);
  process.send?.({ id, outcome, error, lockViolations: counted } satisfies Answered);
}

process.on('message', (asked: Asked) => {
  carryOut(asked.order).then(
    (outcome) => answer(asked, outcome, null),
    (error: unknown) => answer(asked, null, String(error)),
  );
});
process.on('disconnect', () => void close());
