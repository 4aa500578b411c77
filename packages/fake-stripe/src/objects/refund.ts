import type { Metadata, StripeObject, View } from './object.ts';

export interface RefundRecord {
  readonly object: 'refund';
  readonly id: string;
  readonly created: number;
  readonly amount: number;
  readonly currency: string;
  readonly customer: string | null;
  readonly charge: string;
  readonly paymentIntent: string | null;
  readonly reason: string | null;
  readonly status: 'pending' | 'succeeded' | 'failed' | 'canceled';
  readonly failureReason: string | null;
  /** Whether it only gives up what was authorized: then no money moves. */
  readonly released: boolean;
  readonly metadata: Metadata;
}

export function renderRefund(refund: RefundRecord, view: View): StripeObject {
  const { id, object, created, amount, currency, charge, status, failureReason } = refund;
  return {
    id,
    object,
    amount,
    balance_transaction: refund.released ? null : transactionOf(id),
    charge,
    created,
    currency,
    ...(view.shape === 'current' && { customer: refund.customer }),
    destination_details: {
      card: { reference_status: 'pending', reference_type: 'acquirer_reference_number' },
      type: 'card',
    },
    ...(status === 'failed' && {
      failure_balance_transaction: `${transactionOf(id)}_failed`,
      failure_reason: failureReason,
    }),
    metadata: refund.metadata,
    payment_intent: refund.paymentIntent,
    ...(view.shape === 'current' && { payment_method: 'pm_sim_1' }),
    reason: refund.reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status,
    transfer_reversal: null,
  };
}

/** Its balance transaction: its own id under another prefix. */
const transactionOf = (id: string) => id.replace(/^[a-z]+_/, 'txn_');
