import type { Metadata, StripeObject, View } from './object.ts';

export interface ChargeRecord {
  readonly object: 'charge';
  readonly id: string;
  readonly created: number;
  readonly amount: number;
  readonly amountCaptured: number;
  /** Of all refunds that have neither failed nor been canceled. */
  readonly amountRefunded: number;
  /** What of that was only authorized, and released: none from 2025-03-31.basil on. */
  readonly amountReleased: number;
  readonly currency: string;
  readonly customer: string | null;
  readonly description: string | null;
  readonly metadata: Metadata;
  readonly status: 'pending' | 'succeeded' | 'failed';
  readonly captured: boolean;
  /** What brought its money into the balance; null before that. */
  readonly balanceTransaction: string | null;
  readonly disputed: boolean;
  /** Null where the charge was made without one, as older integrations do. */
  readonly paymentIntent: string | null;
  readonly method: 'card' | 'sepa_debit';
  /** The invoice that it pays; told only up to 2025-02-24.acacia. */
  readonly invoice: string | null;
  readonly failure: string | null;
}

/** What can still be refunded. */
export function leftOf({ amountCaptured, amountReleased, amountRefunded }: ChargeRecord): number {
  return amountCaptured + amountReleased - amountRefunded;
}

export function renderCharge(charge: ChargeRecord, view: View): StripeObject {
  const { id, object, created, amount, currency, customer, metadata, status, failure } = charge;
  return {
    id,
    object,
    amount,
    amount_captured: charge.amountCaptured,
    amount_refunded: charge.amountRefunded,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: charge.balanceTransaction,
    billing_details: {
      address: {
        city: null,
        country: null,
        line1: null,
        line2: null,
        postal_code: null,
        state: null,
      },
      email: null,
      name: null,
      phone: null,
      tax_id: null,
    },
    calculated_statement_descriptor: 'SIMULATED',
    captured: charge.captured,
    created,
    currency,
    customer,
    description: charge.description,
    destination: null,
    dispute: null,
    disputed: charge.disputed,
    failure_balance_transaction: null,
    failure_code: failure,
    failure_message: failure && 'The payment failed.',
    fraud_details: {},
    ...(view.shape === 'acacia' && { invoice: charge.invoice }),
    livemode: view.livemode,
    metadata,
    on_behalf_of: null,
    order: null,
    outcome: {
      network_status: failure ? 'declined_by_network' : 'approved_by_network',
      reason: failure,
      risk_level: 'normal',
      seller_message: failure ? 'The payment failed.' : 'Payment complete.',
      type: failure ? 'issuer_declined' : 'authorized',
    },
    paid: status === 'succeeded',
    payment_intent: charge.paymentIntent,
    payment_method: 'pm_sim_1',
    payment_method_details: { type: charge.method },
    receipt_email: null,
    receipt_number: null,
    receipt_url: null,
    refunded: charge.amountRefunded > 0 && leftOf(charge) === 0,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status,
    transfer_data: null,
    transfer_group: null,
  };
}
