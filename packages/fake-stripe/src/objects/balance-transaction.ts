import type { StripeObject } from './object.ts';

/** Money that came into the account's balance. */
export interface BalanceTransactionRecord {
  readonly object: 'balance_transaction';
  readonly id: string;
  /** When it came: at the capture, or at the success of a slow payment. */
  readonly created: number;
  readonly amount: number;
  readonly currency: string;
  /** The charge that brought it. */
  readonly source: string;
}

export function renderBalanceTransaction(record: BalanceTransactionRecord): StripeObject {
  const { id, object, created, amount, currency, source } = record;
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
    reporting_category: 'charge',
    source,
    status: 'pending',
    type: 'charge',
  };
}
