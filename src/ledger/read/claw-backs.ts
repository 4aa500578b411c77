import type pg from 'pg';
import type { Statement } from '../../db/session.ts';
import { sum } from '../../sum.ts';
import { clawBackTargets, createPaymentBook } from '../core/payment.ts';
import { findPaymentEntries, findReversed } from '../store/payment-entries.ts';

/** How many credits of a payment should be missing by its refunds and disputes, and how many are. */
export interface ClawBack {
  /** The grant key. */
  readonly payment: string;
  readonly userId: string;
  readonly target: number;
  readonly booked: number;
  /** Whether each single grant has lost what it should. */
  readonly settled: boolean;
}

/**
 * Reads what is clawed back of these payments; one that granted nothing is left out. It takes no
 * lock: of a payment that is being settled at this moment it may tell a difference that is gone
 * when it is read again.
 */
export async function readClawBacks(
  pool: pg.Pool,
  payments: readonly string[],
): Promise<readonly ClawBack[]> {
  const reader = {
    run: <Row extends pg.QueryResultRow>({ text }: Statement, values: readonly unknown[]) =>
      pool.query<Row>({ text, values: [...values] }),
  };
  const entries = await findPaymentEntries(reader, payments);
  const book = createPaymentBook(entries, await findReversed(reader, payments));
  return payments.flatMap((payment) =>
    book.usersOf(payment).flatMap((userId) => {
      const found = book.find(userId, payment);
      if (!found) return [];
      const targets = clawBackTargets(found);
      const booked = sum(found.grants.map(({ clawedBack }) => clawedBack));
      const settled = found.grants.every(({ clawedBack }, i) => clawedBack === targets[i]);
      return [{ payment, userId, target: sum(targets), booked, settled }];
    }),
  );
}
