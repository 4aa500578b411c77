import type { StripeObject, View } from './object.ts';

/** What joins an invoice and the payment intent that pays it, from 2025-03-31.basil on. */
export interface InvoicePaymentRecord {
  readonly object: 'invoice_payment';
  readonly id: string;
  readonly created: number;
  readonly currency: string;
  readonly invoice: string;
  readonly paymentIntent: string;
  readonly amountRequested: number;
  readonly status: 'open' | 'paid' | 'canceled';
  readonly paidAt: number | null;
  readonly canceledAt: number | null;
}

export function renderInvoicePayment(payment: InvoicePaymentRecord, view: View): StripeObject {
  const { id, object, created, currency, invoice, amountRequested, status } = payment;
  return {
    id,
    object,
    amount_paid: status === 'paid' ? amountRequested : null,
    amount_requested: amountRequested,
    created,
    currency,
    invoice,
    is_default: true,
    livemode: view.livemode,
    payment: { payment_intent: payment.paymentIntent, type: 'payment_intent' },
    status,
    status_transitions: { canceled_at: payment.canceledAt, paid_at: payment.paidAt },
  };
}
