import type { Pool } from 'pg';
import type { BatchSession, BatchStatement } from '../../db/batch-session.ts';
import { coalesce } from '../../db/coalesce.ts';
import type { Money } from '../shapes/money.ts';

/** What a checkout session was opened for. */
export interface PurchaseIntent {
  readonly id: string;
  /** `cs_…` */
  readonly session: string;
  readonly userId: string;
  readonly mode: 'payment' | 'subscription';
  readonly items: readonly IntentItem[];
  /** Whether the buyer may change the quantities. */
  readonly adjustable: boolean;
  /** What Stripe asked for when the session was opened; null when it did not say. */
  readonly money: Money | null;
}

export interface IntentItem {
  readonly price: string;
  /** Of the terms under which it was offered. */
  readonly version: number;
  readonly quantity: number;
  /** For one unit, in the currency's smallest unit; null when that cannot be told. */
  readonly amount: number | null;
}

/** The SQL of purchase_intents. */
export type PurchaseIntents = ReturnType<typeof createPurchaseIntents>;

export function createPurchaseIntents(pool: Pool, batches: BatchSession, livemode: boolean) {
  /** Records an intent once: what a repeat of the request would say by now is not what was sold. */
  async function record(intent: PurchaseIntent): Promise<void> {
    const { id, session, userId, mode, items, adjustable, money } = intent;
    await pool.query(
      `INSERT INTO purchase_intents (id, session, user_id, mode, items, adjustable, amount,
                                     currency, livemode)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           ON CONFLICT (session) DO NOTHING`,
      [
        id,
        session,
        userId,
        mode,
        JSON.stringify(items),
        adjustable,
        money?.amount ?? null,
        money?.currency ?? null,
        livemode,
      ],
    );
  }

  /** By its session or its own id, then the newest; null when Purser did not open the session. */
  const find = coalesce((names: readonly string[]) => findAll(batches, names, livemode));

  return { record, find };
}

type Row = Omit<PurchaseIntent, 'money'> & {
  readonly amount: number | null;
  readonly currency: string | null;
};

const FIND: BatchStatement = {
  name: 'find_purchase_intents',
  durable: false,
  text: `SELECT i.session, i.id, i.user_id AS "userId", i.mode, i.items, i.adjustable, i.amount,
            i.currency
       FROM unnest($1::text[]) WITH ORDINALITY AS q (name, n)
       LEFT JOIN LATERAL (SELECT * FROM purchase_intents WHERE session = q.name AND livemode = $2
                           UNION ALL
                          SELECT * FROM purchase_intents WHERE id = q.name AND livemode = $2
                           ORDER BY created_at DESC
                           LIMIT 1) i ON true
      ORDER BY n`,
};

async function findAll(
  session: BatchSession,
  names: readonly string[],
  livemode: boolean,
): Promise<readonly (PurchaseIntent | null)[]> {
  const rows = await session.run<Row | Record<keyof Row, null>>(FIND, [names, livemode]);
  return rows.map((row) => {
    if (row.session === null) return null;
    const { amount, currency, ...intent } = row;
    return { ...intent, money: amount === null || currency === null ? null : { amount, currency } };
  });
}
