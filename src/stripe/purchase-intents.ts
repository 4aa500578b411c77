import type { Pool } from 'pg';
import type { Money } from './shapes.ts';

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

export function createPurchaseIntents(pool: Pool, livemode: boolean) {
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
  async function find(name: string): Promise<PurchaseIntent | null> {
    type Row = Omit<PurchaseIntent, 'money'> & {
      readonly amount: number | null;
      readonly currency: string | null;
    };
    const { rows } = await pool.query<Row>(
      `SELECT id, session, user_id AS "userId", mode, items, adjustable, amount, currency
         FROM purchase_intents
        WHERE (session = $1 OR id = $1) AND livemode = $2
        ORDER BY created_at DESC
        LIMIT 1`,
      [name, livemode],
    );
    const [row] = rows;
    if (!row) return null;
    const { amount, currency, ...intent } = row;
    return { ...intent, money: amount === null || currency === null ? null : { amount, currency } };
  }

  return { record, find };
}
