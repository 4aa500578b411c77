import type { Metadata, StripeObject, View } from './object.ts';

export interface PaymentIntentRecord {
  readonly object: 'payment_intent';
  readonly id: string;
  readonly created: number;
  readonly amount: number;
  readonly amountCapturable: number;
  readonly amountReceived: number;
  readonly currency: string;
  readonly customer: string | null;
  readonly description: string | null;
  readonly metadata: Metadata;
  readonly status:
    | 'requires_payment_method'
    | 'processing'
    | 'requires_capture'
    | 'succeeded'
    | 'canceled';
  readonly captureMethod: 'automatic' | 'manual';
  /** Slow methods are told days later whether they succeeded. */
  readonly method: 'card' | 'sepa_debit';
  readonly latestCharge: string | null;
  /** The invoice that it pays; told only up to 2025-02-24.acacia. */
  readonly invoice: string | null;
  readonly canceledAt: number | null;
  readonly failure: string | null;
}

export function renderPaymentIntent(intent: PaymentIntentRecord, view: View): StripeObject {
  const { id, object, created, amount, currency, customer, metadata, status, failure } = intent;
  return {
    id,
    object,
    amount,
    amount_capturable: intent.amountCapturable,
    amount_details: { tip: {} },
    amount_received: intent.amountReceived,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: intent.canceledAt,
    cancellation_reason: null,
    capture_method: intent.captureMethod,
    client_secret: `${id}_secret_sim`,
    confirmation_method: 'automatic',
    created,
    currency,
    customer,
    ...(view.shape === 'current' && { customer_account: null }),
    description: intent.description,
    ...(view.shape === 'acacia' && { invoice: intent.invoice }),
    last_payment_error: failure && { code: failure, type: 'card_error' },
    latest_charge: intent.latestCharge,
    livemode: view.livemode,
    metadata,
    next_action: null,
    on_behalf_of: null,
    ...(view.shape === 'current' && {
      payment_details: { customer_reference: null, order_reference: intent.invoice },
    }),
    payment_method: status === 'requires_payment_method' ? null : 'pm_sim_1',
    payment_method_configuration_details: null,
    payment_method_options: { card: { request_three_d_secure: 'automatic' } },
    payment_method_types: [intent.method],
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status,
    transfer_data: null,
    transfer_group: null,
  };
}
