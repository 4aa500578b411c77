/** Events that bring payments. */
export const PAYING: readonly string[] = [
  'checkout.session.completed',
  'checkout.session.async_payment_succeeded',
  'invoice.paid',
];

/**
 * The types of events that matter, at most the 20 that Stripe's list takes. Without charge.refunded
 * and charge.refund.updated of old endpoints: refund.* tell the same.
 */
export const MATTERING: readonly string[] = [
  ...PAYING,
  'checkout.session.async_payment_failed',
  'invoice_payment.paid',
  'customer.deleted',
  'refund.created',
  'refund.updated',
  'refund.failed',
  'charge.dispute.created',
  'charge.dispute.updated',
  'charge.dispute.closed',
  'charge.dispute.funds_withdrawn',
  'charge.dispute.funds_reinstated',
  'credit_note.created',
  'credit_note.updated',
  'credit_note.voided',
];
