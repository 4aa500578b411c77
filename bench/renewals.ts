/** A renewal: a customer's subscription is paid for once more. */
export interface Renewal {
  /** Names event, invoice, customer and subscription: no two deliveries may share it. */
  readonly id: string;
  readonly userId: string;
  /** From 2025-03-31.basil on, or before it. */
  readonly shape: 'basil' | 'acacia';
}

/** The price of every renewal, and the credits that it gives. */
export const PRICE = 'price_benchmark';
export const CREDITS = 1_000;

const AMOUNT = 2_000;
const CREATED = 1_700_000_000;
const PERIOD = { start: CREATED, end: CREATED + 30 * 86_400 };

/**
 * An `invoice.paid` event as Stripe sends it: indented, 4 to 5 KB, with the fields that a real one
 * has. Its line is inline and its subscription names the user, so it is granted without a question
 * to Stripe's API.
 */
export function renewalEvent(renewal: Renewal): string {
  const part = renewal.shape === 'basil' ? basilPart : acaciaPart;
  return toEvent(renewal, '', 'invoice.paid', { ...invoice(renewal), ...part(renewal) });
}

/**
 * All that Stripe tells of a renewal: from basil on a second event, which names the payment intent
 * that paid the invoice.
 */
export function renewalEvents(renewal: Renewal): readonly string[] {
  const paid = renewalEvent(renewal);
  if (renewal.shape === 'acacia') return [paid];
  return [paid, toEvent(renewal, '_payment', 'invoice_payment.paid', invoicePayment(renewal))];
}

function toEvent(renewal: Renewal, suffix: string, type: string, object: object): string {
  const event = {
    id: `evt_${renewal.id}${suffix}`,
    object: 'event',
    api_version: renewal.shape === 'basil' ? '2026-10-28.endive' : '2025-02-24.acacia',
    created: CREATED,
    data: { object },
    livemode: false,
    pending_webhooks: 1,
    request: { id: null, idempotency_key: null },
    type,
  };
  return JSON.stringify(event, null, 2);
}

function invoicePayment({ id }: Renewal) {
  return {
    id: `inpay_${id}`,
    object: 'invoice_payment',
    amount_paid: AMOUNT,
    amount_requested: AMOUNT,
    created: CREATED,
    currency: 'usd',
    invoice: `in_${id}`,
    is_default: true,
    livemode: false,
    payment: { payment_intent: `pi_${id}`, type: 'payment_intent' },
    status: 'paid',
    status_transitions: { canceled_at: null, paid_at: CREATED },
  };
}

function invoice({ id }: Renewal) {
  return {
    id: `in_${id}`,
    object: 'invoice',
    account_country: 'DE',
    account_name: 'Benchmark',
    account_tax_ids: null,
    amount_due: AMOUNT,
    amount_overpaid: 0,
    amount_paid: AMOUNT,
    amount_remaining: 0,
    amount_shipping: 0,
    application: null,
    attempt_count: 1,
    attempted: true,
    auto_advance: false,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null, provider: null },
    automatically_finalizes_at: null,
    billing_reason: 'subscription_cycle',
    collection_method: 'charge_automatically',
    created: CREATED,
    currency: 'usd',
    custom_fields: null,
    customer: `cus_${id}`,
    customer_address: null,
    customer_email: 'customer@example.com',
    customer_name: 'A Customer',
    customer_phone: null,
    customer_shipping: null,
    customer_tax_exempt: 'none',
    customer_tax_ids: [],
    default_payment_method: null,
    default_source: null,
    default_tax_rates: [],
    description: null,
    discounts: [],
    due_date: null,
    effective_at: CREATED,
    ending_balance: 0,
    footer: null,
    from_invoice: null,
    hosted_invoice_url: `https://invoice.stripe.com/i/acct_benchmark/test_${id}?s=ap`,
    invoice_pdf: `https://pay.stripe.com/invoice/acct_benchmark/test_${id}/pdf?s=ap`,
    issuer: { type: 'self' },
    last_finalization_error: null,
    latest_revision: null,
    livemode: false,
    metadata: {},
    next_payment_attempt: null,
    number: 'BENCH-0001',
    on_behalf_of: null,
    payment_settings: {
      default_mandate: null,
      payment_method_options: null,
      payment_method_types: null,
    },
    period_end: PERIOD.end,
    period_start: PERIOD.start,
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    receipt_number: null,
    rendering: null,
    shipping_cost: null,
    shipping_details: null,
    starting_balance: 0,
    statement_descriptor: null,
    status: 'paid',
    status_transitions: {
      finalized_at: CREATED,
      marked_uncollectible_at: null,
      paid_at: CREATED,
      voided_at: null,
    },
    subtotal: AMOUNT,
    subtotal_excluding_tax: AMOUNT,
    test_clock: null,
    total: AMOUNT,
    total_discount_amounts: [],
    total_excluding_tax: AMOUNT,
    webhooks_delivered_at: CREATED,
  };
}

function line({ id }: Renewal) {
  return {
    id: `il_${id}`,
    object: 'line_item',
    amount: AMOUNT,
    currency: 'usd',
    description: '1 × Benchmark (at $20.00 / month)',
    discount_amounts: [],
    discountable: true,
    discounts: [],
    invoice: `in_${id}`,
    livemode: false,
    metadata: {},
    period: PERIOD,
    quantity: 1,
  };
}

const listOf = (id: string, data: unknown) => ({
  object: 'list',
  data: [data],
  has_more: false,
  total_count: 1,
  url: `/v1/invoices/in_${id}/lines`,
});

function basilPart(renewal: Renewal) {
  const { id, userId } = renewal;
  const subscription = `sub_${id}`;
  const parent = {
    invoice_item_details: null,
    subscription_item_details: {
      invoice_item: null,
      proration: false,
      proration_details: { credited_items: null },
      subscription,
      subscription_item: `si_${id}`,
    },
    type: 'subscription_item_details',
  };
  const pricing = {
    price_details: { price: PRICE, product: 'prod_benchmark' },
    type: 'price_details',
    unit_amount_decimal: String(AMOUNT),
  };
  return {
    lines: listOf(id, { ...line(renewal), parent, pricing, taxes: [] }),
    parent: {
      quote_details: null,
      subscription_details: { metadata: { user_id: userId }, subscription },
      type: 'subscription_details',
    },
  };
}

function acaciaPart(renewal: Renewal) {
  const { id, userId } = renewal;
  const subscription = `sub_${id}`;
  const price = {
    id: PRICE,
    object: 'price',
    active: true,
    billing_scheme: 'per_unit',
    created: CREATED,
    currency: 'usd',
    livemode: false,
    lookup_key: null,
    metadata: {},
    nickname: null,
    product: 'prod_benchmark',
    recurring: { interval: 'month', interval_count: 1, usage_type: 'licensed' },
    type: 'recurring',
    unit_amount: AMOUNT,
    unit_amount_decimal: String(AMOUNT),
  };
  return {
    charge: `ch_${id}`,
    lines: listOf(id, {
      ...line(renewal),
      price,
      proration: false,
      proration_details: { credited_items: null },
      subscription,
      subscription_item: `si_${id}`,
      type: 'subscription',
    }),
    paid: true,
    payment_intent: `pi_${id}`,
    subscription,
    subscription_details: { metadata: { user_id: userId } },
  };
}
