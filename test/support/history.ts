import { randomUUID } from 'node:crypto';
import type { EntryKind } from '../../src/ledger/core/entry.ts';
import type { TestDatabase } from './database.ts';

/** What of an entry a test cares about; the columns of `credit_ledger`. */
export interface PastEntry {
  readonly kind: EntryKind;
  readonly delta: number;
  readonly created_at?: string;
  readonly reason?: string | null;
  readonly ref?: string | null;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly operation?: string | null;
  readonly quantity?: string | null;
  readonly hold_id?: string;
  readonly reverses_seq?: number;
}

const DIGEST = `\\x${'00'.repeat(32)}`;

/**
 * Writes a history as it was long ago: at chosen times, and faster than by commands. For tests of
 * what reads; it has no state and no chain.
 */
export async function writeHistory(
  { sql }: Pick<TestDatabase, 'sql'>,
  userId: string,
  entries: readonly PastEntry[],
): Promise<void> {
  let balance = 0;
  const rows = entries.map((entry, i) => {
    balance += entry.delta;
    return {
      ...{ user_id: userId, seq: i + 1, id: randomUUID(), balance, held: 0, draws: [] },
      ...{ actor: 'system', hash: DIGEST, note_hash: DIGEST },
      ...(entry.kind === 'hold' && { expires_at: '2099-01-01T00:00:00Z' }),
      created_at: '2027-01-01T00:00:00Z',
      ...entry,
    };
  });
  await sql('INSERT INTO stripe_customers (user_id) VALUES ($1)', [userId]);
  for (let i = 0; i < rows.length; i += 5_000) {
    await sql(
      `INSERT INTO credit_ledger
       SELECT * FROM jsonb_populate_recordset(null::credit_ledger, $1)`,
      [JSON.stringify(rows.slice(i, i + 5_000))],
    );
  }
}
