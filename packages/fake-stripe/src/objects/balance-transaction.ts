import type { StripeObject } from './object.ts';

/** Money that came into the account's balance, or left it. */
export interface BalanceTransactionRecord {
  readonly object: 'balance_transaction';
  readonly id: string;
  /** When it came or left; of a charge at the capture, or at the success of a slow payment. */
  readonly created: number;
  /** Less than nothing when it left. */
  readonly amount: number;
  readonly currency: string;
  /** The charge or the refund that moved it. */
  readonly source: string;
  readonly category: 'charge' | 'refund' | 'partial_capture_reversal';
}

export function renderBalanceTransaction(record: BalanceTransactionRecord): StripeObject {
  const { id, object, created, amount, currency, source, category } = record;
  return {
    id,
    object,
    amount,
    available_on: created + 7 * 86_400,
    balance_type: 'payments',
    created,
    currency,
    description: null,
    exchange_rate: null,
    fee: 0,
    fee_details: [],
    net: amount,
    reporting_category: category,
    source,
    status: 'pending',
    type: category === 'charge' ? 'charge' : 'refund',
  };
}
