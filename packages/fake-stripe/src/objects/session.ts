import { type Metadata, type StripeObject, sum, type View } from './object.ts';
import { type PriceRecord, renderPrice } from './price.ts';

/** A line item of a checkout session. Amounts are in cents. */
export interface SessionLine {
  readonly id: string;
  readonly price: PriceRecord;
  readonly description: string;
  readonly quantity: number;
  /** Off the whole line. */
  readonly discount: number;
  /** Added to the whole line. */
  readonly tax: number;
  /** What the buyer may choose; null when the quantity is fixed. */
  readonly adjustable: { readonly minimum: number; readonly maximum: number } | null;
}

export interface SessionRecord {
  readonly object: 'checkout.session';
  readonly id: string;
  readonly created: number;
  readonly mode: 'payment' | 'subscription' | 'setup';
  readonly currency: string | null;
  readonly customer: string | null;
  readonly customerEmail: string | null;
  readonly customerCreation: 'always' | 'if_required' | null;
  readonly clientReferenceId: string | null;
  readonly lines: readonly SessionLine[];
  readonly allowPromotionCodes: boolean | null;
  readonly coupon: string | null;
  readonly metadata: Metadata;
  /** The metadata that its payment intent and its subscription will have. */
  readonly paymentMetadata: Metadata;
  readonly subscriptionMetadata: Metadata;
  readonly trialDays: number;
  /** Null when a payment makes no invoice. */
  readonly invoiceMetadata: Metadata | null;
  readonly captureMethod: 'automatic' | 'manual';
  readonly successUrl: string | null;
  readonly cancelUrl: string | null;
  readonly expiresAt: number;
  readonly status: 'open' | 'complete' | 'expired';
  readonly paymentStatus: 'paid' | 'unpaid' | 'no_payment_required';
  readonly paymentIntent: string | null;
  readonly invoice: string | null;
  readonly subscription: string | null;
  readonly setupIntent: string | null;
}

export const grossOf = ({ price, quantity }: SessionLine) => price.unitAmount * quantity;
export const totalOf = (line: SessionLine) => grossOf(line) - line.discount + line.tax;
/** What the buyer pays, in cents. */
export const sessionTotal = ({ lines }: SessionRecord) => sum(lines.map(totalOf));

export function renderSession(session: SessionRecord, view: View): StripeObject {
  const { id, object, created, mode, lines, customer, customerEmail, status } = session;
  const priced = mode !== 'setup';
  const open = status === 'open';
  return {
    id,
    object,
    adaptive_pricing: { enabled: false },
    after_expiration: null,
    allow_promotion_codes: session.allowPromotionCodes,
    amount_subtotal: priced ? sum(lines.map(grossOf)) : null,
    amount_total: priced ? sessionTotal(session) : null,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: null,
    cancel_url: session.cancelUrl,
    client_reference_id: session.clientReferenceId,
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    created,
    currency: session.currency,
    currency_conversion: null,
    custom_fields: [],
    custom_text: {
      after_submit: null,
      shipping_address: null,
      submit: null,
      terms_of_service_acceptance: null,
    },
    customer,
    ...(view.shape === 'current' && { customer_account: null }),
    customer_creation: session.customerCreation,
    customer_details: open && customerEmail === null ? null : detailsOf(session),
    customer_email: customerEmail,
    discounts: session.coupon === null ? [] : [{ coupon: session.coupon, promotion_code: null }],
    expires_at: session.expiresAt,
    invoice: session.invoice,
    invoice_creation: invoiceCreation(session),
    livemode: view.livemode,
    locale: null,
    metadata: session.metadata,
    mode,
    origin_context: null,
    payment_intent: session.paymentIntent,
    payment_link: null,
    payment_method_collection: mode === 'payment' ? 'if_required' : 'always',
    payment_method_configuration_details: null,
    payment_method_options: { card: { request_three_d_secure: 'automatic' } },
    payment_method_types: ['card'],
    payment_status: session.paymentStatus,
    permissions: null,
    phone_number_collection: { enabled: false },
    recovered_from: null,
    saved_payment_method_options: null,
    setup_intent: session.setupIntent,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status,
    submit_type: null,
    subscription: session.subscription,
    success_url: session.successUrl,
    total_details: priced
      ? {
          amount_discount: sum(lines.map(({ discount }) => discount)),
          amount_shipping: 0,
          amount_tax: sum(lines.map(({ tax }) => tax)),
        }
      : null,
    ui_mode: view.shape === 'current' ? 'hosted_page' : 'hosted',
    url: open ? `${view.baseUrl}/c/pay/${id}` : null,
    wallet_options: null,
  };
}

function detailsOf({ customerEmail }: SessionRecord) {
  return {
    address: null,
    email: customerEmail ?? 'buyer@example.com',
    name: null,
    phone: null,
    tax_exempt: 'none',
    tax_ids: [],
  };
}

function invoiceCreation({ mode, invoiceMetadata }: SessionRecord) {
  if (mode !== 'payment') return null;
  return {
    enabled: invoiceMetadata !== null,
    invoice_data: {
      account_tax_ids: null,
      custom_fields: null,
      description: null,
      footer: null,
      issuer: null,
      metadata: invoiceMetadata ?? {},
      rendering_options: null,
    },
  };
}

/** A line item of a session, as GET …/line_items lists it. */
export function renderSessionLine(line: SessionLine, view: View): StripeObject {
  const { id, price, description, quantity, discount, tax } = line;
  return {
    id,
    object: 'item',
    amount_discount: discount,
    amount_subtotal: grossOf(line),
    amount_tax: tax,
    amount_total: totalOf(line),
    currency: price.currency,
    description,
    metadata: {},
    price: renderPrice(price, view),
    quantity,
  };
}
