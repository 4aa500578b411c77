import type { StripeObject, View } from './object.ts';

export interface PaymentMethodRecord {
  readonly object: 'payment_method';
  readonly id: string;
  readonly created: number;
  /** Null once it is detached. */
  readonly customer: string | null;
  /** What becomes of a payment with it while its owner is away. */
  readonly offSession: 'succeeds' | 'card_declined' | 'authentication_required';
}

export function renderPaymentMethod(method: PaymentMethodRecord, view: View): StripeObject {
  const { id, object, created, customer } = method;
  return {
    id,
    object,
    allow_redisplay: 'limited',
    billing_details: { address: null, email: null, name: null, phone: null },
    card: { brand: 'visa', country: 'US', exp_month: 12, exp_year: 2040, last4: '4242' },
    created,
    customer,
    livemode: view.livemode,
    metadata: {},
    type: 'card',
  };
}
