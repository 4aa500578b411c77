import { type InvoiceLine, renderInvoiceLine } from './invoice-line.ts';
import { listWithin, type Metadata, type StripeObject, sum, taxes, type View } from './object.ts';

export interface InvoiceRecord {
  readonly object: 'invoice';
  readonly id: string;
  readonly created: number;
  readonly number: string;
  readonly status: 'draft' | 'open' | 'paid' | 'void' | 'uncollectible';
  readonly billingReason: string;
  readonly currency: string;
  readonly customer: string | null;
  readonly customerEmail: string | null;
  readonly metadata: Metadata;
  /** Null for manual and one-off invoices. */
  readonly subscription: string | null;
  /** The subscription's metadata when the invoice was made. */
  readonly subscriptionMetadata: Metadata;
  readonly lines: readonly InvoiceLine[];
  /** The customer's balance before and after, in cents; below 0 is credit. */
  readonly startingBalance: number;
  readonly endingBalance: number | null;
  readonly amountPaid: number;
  readonly attemptCount: number;
  readonly paidOutOfBand: boolean;
  readonly paymentIntent: string | null;
  readonly charge: string | null;
  readonly finalizedAt: number | null;
  readonly paidAt: number | null;
  readonly voidedAt: number | null;
  readonly prePaymentCredit: number;
  readonly postPaymentCredit: number;
}

/** After discounts, with taxes, in cents; below 0 when more is given back than asked. */
export const invoiceTotal = ({ lines }: Pick<InvoiceRecord, 'lines'>) =>
  sum(lines.map(({ amount, discount, tax }) => amount - discount + tax));

/** What is to be paid, in cents. */
export function amountDue(invoice: InvoiceRecord): number {
  const applied = Math.min(0, invoice.startingBalance);
  return Math.max(0, invoiceTotal(invoice) + applied - invoice.prePaymentCredit);
}

export function renderInvoice(invoice: InvoiceRecord, view: View): StripeObject {
  const { id, object, created, currency, customer, lines, status, number } = invoice;
  const acacia = view.shape === 'acacia';
  const due = amountDue(invoice);
  const total = invoiceTotal(invoice);
  const discounts = sum(lines.map(({ discount }) => discount));
  const tax = sum(lines.map((line) => line.tax));
  const [first] = lines;
  return {
    id,
    object,
    account_country: 'US',
    account_name: 'Simulated',
    account_tax_ids: null,
    amount_due: due,
    ...(!acacia && { amount_overpaid: 0 }),
    amount_paid: invoice.amountPaid,
    amount_remaining: status === 'paid' ? 0 : due - invoice.amountPaid,
    amount_shipping: 0,
    application: null,
    attempt_count: invoice.attemptCount,
    attempted: invoice.attemptCount > 0 || status === 'paid',
    auto_advance: status === 'draft' || status === 'open',
    automatic_tax: {
      disabled_reason: null,
      enabled: false,
      liability: null,
      provider: null,
      status: null,
    },
    automatically_finalizes_at: null,
    billing_reason: invoice.billingReason,
    collection_method: 'charge_automatically',
    created,
    currency,
    custom_fields: null,
    customer,
    customer_address: null,
    customer_email: invoice.customerEmail,
    customer_name: null,
    customer_phone: null,
    customer_shipping: null,
    customer_tax_exempt: 'none',
    customer_tax_ids: [],
    default_payment_method: null,
    default_source: null,
    default_tax_rates: [],
    description: null,
    discounts: discounts === 0 ? [] : ['di_sim'],
    due_date: null,
    effective_at: invoice.finalizedAt,
    ending_balance: invoice.endingBalance,
    footer: null,
    from_invoice: null,
    hosted_invoice_url: null,
    invoice_pdf: null,
    issuer: { type: 'self' },
    last_finalization_error: null,
    latest_revision: null,
    lines: listWithin(
      `/v1/invoices/${id}/lines`,
      lines.map((line) => renderInvoiceLine(line, id, view)),
    ),
    livemode: view.livemode,
    metadata: invoice.metadata,
    next_payment_attempt: null,
    number: status === 'draft' ? null : number,
    on_behalf_of: null,
    ...(acacia ? ofAcacia(invoice, tax, view) : ofToday(invoice, tax, view)),
    payment_settings: {
      default_mandate: null,
      payment_method_options: null,
      payment_method_types: null,
    },
    period_end: first?.periodEnd ?? created,
    period_start: first?.periodStart ?? created,
    post_payment_credit_notes_amount: invoice.postPaymentCredit,
    pre_payment_credit_notes_amount: invoice.prePaymentCredit,
    receipt_number: null,
    rendering: null,
    shipping_cost: null,
    shipping_details: null,
    starting_balance: invoice.startingBalance,
    statement_descriptor: null,
    status,
    status_transitions: {
      finalized_at: invoice.finalizedAt,
      marked_uncollectible_at: null,
      paid_at: invoice.paidAt,
      voided_at: invoice.voidedAt,
    },
    subtotal: sum(lines.map(({ amount }) => amount)),
    subtotal_excluding_tax: sum(lines.map(({ amount }) => amount)),
    test_clock: null,
    total,
    total_discount_amounts: discounts === 0 ? [] : [{ amount: discounts, discount: 'di_sim' }],
    total_excluding_tax: total - tax,
    total_pretax_credit_amounts: [],
    webhooks_delivered_at: null,
  };
}

function ofAcacia(invoice: InvoiceRecord, tax: number, view: View) {
  const { subscription, subscriptionMetadata, status, paymentIntent, charge } = invoice;
  return {
    charge,
    discount: null,
    paid: status === 'paid',
    paid_out_of_band: invoice.paidOutOfBand,
    payment_intent: paymentIntent,
    quote: null,
    subscription,
    subscription_details: { metadata: subscription === null ? null : subscriptionMetadata },
    tax,
    total_tax_amounts: taxes(tax, view),
    transfer_data: null,
  };
}

function ofToday({ subscription, subscriptionMetadata }: InvoiceRecord, tax: number, view: View) {
  return {
    customer_account: null,
    parent:
      subscription === null
        ? null
        : {
            quote_details: null,
            subscription_details: { metadata: subscriptionMetadata, subscription },
            type: 'subscription_details',
          },
    total_taxes: taxes(tax, view),
  };
}
