import type { Metadata, StripeObject, View } from './object.ts';

export interface DisputeRecord {
  readonly object: 'dispute';
  readonly id: string;
  readonly created: number;
  readonly amount: number;
  readonly currency: string;
  readonly charge: string;
  readonly paymentIntent: string | null;
  readonly reason: string;
  readonly status:
    | 'warning_needs_response'
    | 'warning_under_review'
    | 'warning_closed'
    | 'needs_response'
    | 'under_review'
    | 'won'
    | 'lost';
  /** Money that moved because of it. */
  readonly transactions: readonly DisputeTransaction[];
  readonly metadata: Metadata;
}

interface DisputeTransaction {
  readonly id: string;
  readonly created: number;
  /** In cents: below 0 when the funds are withdrawn, above when they are reinstated. */
  readonly amount: number;
  readonly fee: number;
}

export function renderDispute(dispute: DisputeRecord, view: View): StripeObject {
  const { id, object, created, amount, currency, charge, status, transactions } = dispute;
  return {
    id,
    object,
    amount,
    balance_transactions: transactions.map((one) => renderTransaction(one, dispute)),
    charge,
    created,
    currency,
    enhanced_eligibility_types: [],
    evidence: {},
    evidence_details: {
      due_by: created + 7 * 86_400,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
    },
    is_charge_refundable: status.startsWith('warning_'),
    livemode: view.livemode,
    metadata: dispute.metadata,
    payment_intent: dispute.paymentIntent,
    payment_method_details: {
      card: { brand: 'visa', case_type: 'chargeback', network_reason_code: '10' },
      type: 'card',
    },
    reason: dispute.reason,
    status,
  };
}

function renderTransaction(one: DisputeTransaction, { id, currency }: DisputeRecord): StripeObject {
  const { amount, fee, created } = one;
  return {
    id: one.id,
    object: 'balance_transaction',
    amount,
    available_on: created,
    created,
    currency,
    description: amount < 0 ? 'Chargeback withdrawal' : 'Chargeback reversal',
    exchange_rate: null,
    fee,
    fee_details: [],
    net: amount - fee,
    reporting_category: amount < 0 ? 'dispute' : 'dispute_reversal',
    source: id,
    status: 'available',
    type: 'adjustment',
  };
}
