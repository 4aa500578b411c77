import { expect } from 'vitest';
import type { Command, Refusal } from '../../src/ledger/core/command.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

/** A ledger on a database of its own, as several processes see it. */
export interface LedgerStage {
  readonly database: TestDatabase;
  readonly ledger: Ledger;
  /** As another process sees it. */
  readonly other: Ledger;
  /** As it is two hours later. */
  readonly later: Ledger;
  /** Carries out a command; null, or why it was refused. */
  readonly refusalOf: (on: Ledger, command: Command) => Promise<Refusal['code'] | null>;
  readonly figures: (
    on: Ledger,
    userId: string,
  ) => Promise<{ readonly balance: number; readonly held: number; readonly available: number }>;
  /** Fails unless everything that was written adds up. */
  readonly end: () => Promise<void>;
}

export async function createLedgerStage(): Promise<LedgerStage> {
  const database = await createTestDatabase();
  const ledger = createLedger(database);
  const other = createLedger(database);
  const later = createLedger({ ...database, clockOffset: 2 * 3_600_000 });
  return {
    ...{ database, ledger, other, later },
    async refusalOf(on, command) {
      const outcome = await on.post(command);
      return outcome.ok ? null : outcome.refusal.code;
    },
    async figures(on, userId) {
      const { balance, held, available } = await on.balance(userId);
      return { balance, held, available };
    },
    async end() {
      expect(await verifyLedger(database.pool)).toMatchObject({ faults: [] });
      for (const one of [ledger, other, later]) {
        expect(one.counts.lockViolations).toBe(0);
        await one.close();
      }
      await database.drop();
    },
  };
}
