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
  /** What took its money out of the balance; null as long as it is pending. */
  readonly balanceTransaction: string | null;
  readonly metadata: Metadata;
}

export function renderRefund(refund: RefundRecord, view: View): StripeObject {
  const { id, object, created, amount, currency, charge, status, failureReason } = refund;
  return {
    id,
    object,
    amount,
    balance_transaction: refund.balanceTransaction,
    charge,
    created,
    currency,
    ...(view.shape === 'current' && { customer: refund.customer }),
    destination_details: {
      card: { reference_status: 'pending', reference_type: 'acquirer_reference_number' },
      type: 'card',
    },
    ...(status === 'failed' && {
      failure_balance_transaction: id.replace(/^[a-z]+_/, 'txn_failed_'),
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
