/** Stripe's objects, as they look in the API versions on either side of 2025-03-31.basil. */

/** An object as Stripe's API gives it. */
export interface StripeObject {
  readonly id: string;
  readonly object: string;
  readonly [field: string]: unknown;
}

/** The event that a webhook endpoint receives. */
export interface StripeEvent extends StripeObject {
  readonly object: 'event';
  readonly type: string;
  readonly data: { readonly object: StripeObject };
}

/** Endpoints keep their API version for ever, so both shapes are still being sent. */
export type Shape = 'current' | 'acacia';

const API_VERSION: Readonly<Record<Shape, string>> = {
  current: '2026-10-28.endive',
  acacia: '2025-02-24.acacia',
};

export interface LineOptions {
  readonly price: string;
  readonly quantity?: number;
  /** Cents for one; default 100. */
  readonly unitAmount?: number;
  /** Cents off the whole line. */
  readonly discount?: number;
  readonly proration?: boolean;
}

export interface SessionOptions {
  readonly lines: readonly LineOptions[];
  readonly mode?: 'payment' | 'subscription' | 'setup';
  /** Becomes `metadata.user_id`. */
  readonly userId?: string;
  readonly customer?: string | null;
  readonly subscription?: string | null;
  readonly metadata?: Readonly<Record<string, string>>;
  /** As with invoice_creation: the invoice of a payment-mode session. */
  readonly invoice?: string | null;
  readonly successUrl?: string | null;
  readonly cancelUrl?: string | null;
}

export interface InvoiceOptions {
  readonly lines: readonly LineOptions[];
  readonly id?: string;
  readonly customer?: string | null;
  /** Null for a manual invoice. */
  readonly subscription?: string | null;
  /** Becomes `metadata.user_id` of the subscription. */
  readonly userId?: string;
  readonly billingReason?: string;
  readonly status?: string;
  readonly paymentIntent?: string | null;
  readonly shape?: Shape;
}

type Identified = LineOptions & { readonly id: string };

const now = () => Math.floor(Date.now() / 1000);
const gross = ({ quantity = 1, unitAmount = 100 }: LineOptions) => quantity * unitAmount;
const sum = (amounts: readonly number[]) => amounts.reduce((total, amount) => total + amount, 0);

export function priceObject({ price, unitAmount = 100 }: LineOptions): StripeObject {
  return {
    id: price,
    object: 'price',
    active: true,
    billing_scheme: 'per_unit',
    currency: 'usd',
    livemode: false,
    lookup_key: null,
    metadata: {},
    nickname: null,
    product: `prod_sim_${price}`,
    recurring: null,
    type: 'one_time',
    unit_amount: unitAmount,
    unit_amount_decimal: String(unitAmount),
  };
}

/** An open session; `url` is where its buyer would pay. */
export function sessionObject(id: string, options: SessionOptions, url: string): StripeObject {
  const { lines, mode = 'payment', userId, metadata = {} } = options;
  const subtotal = sum(lines.map(gross));
  const discount = sum(lines.map((line) => line.discount ?? 0));
  return {
    id,
    object: 'checkout.session',
    amount_subtotal: subtotal,
    amount_total: subtotal - discount,
    cancel_url: options.cancelUrl ?? null,
    client_reference_id: null,
    created: now(),
    currency: 'usd',
    customer: options.customer ?? null,
    customer_details: { email: 'buyer@example.com', name: null },
    expires_at: now() + 86_400,
    invoice: options.invoice ?? null,
    livemode: false,
    metadata: { ...metadata, ...(userId !== undefined && { user_id: userId }) },
    mode,
    payment_intent: null,
    payment_link: null,
    payment_status: 'unpaid',
    status: 'open',
    subscription: options.subscription ?? null,
    success_url: options.successUrl ?? null,
    total_details: { amount_discount: discount, amount_shipping: 0, amount_tax: 0 },
    url,
  };
}

/** A line item of a session, as GET …/line_items lists it. */
export function lineItemObject(line: Identified): StripeObject {
  const { id, discount = 0, quantity = 1 } = line;
  return {
    id,
    object: 'item',
    amount_discount: discount,
    amount_subtotal: gross(line),
    amount_tax: 0,
    amount_total: gross(line) - discount,
    currency: 'usd',
    description: line.price,
    price: priceObject(line),
    quantity,
  };
}

/** An invoice without its lines. */
export function invoiceObject(id: string, options: InvoiceOptions): StripeObject {
  const { lines, subscription = null, userId, status = 'paid', shape = 'current' } = options;
  const total = sum(lines.map((line) => gross(line) - (line.discount ?? 0)));
  const paid = status === 'paid';
  const metadata = userId === undefined ? {} : { user_id: userId };
  const payment = options.paymentIntent ?? null;
  return {
    id,
    object: 'invoice',
    amount_due: total,
    amount_paid: paid ? total : 0,
    billing_reason: options.billingReason ?? (subscription ? 'subscription_cycle' : 'manual'),
    created: now(),
    currency: 'usd',
    customer: options.customer ?? null,
    livemode: false,
    metadata: {},
    status,
    total,
    ...(shape === 'acacia'
      ? {
          charge: payment?.replace(/^pi_/, 'ch_') ?? null,
          paid,
          payment_intent: payment,
          subscription,
          subscription_details: { metadata: subscription ? metadata : null },
        }
      : {
          parent: subscription && {
            quote_details: null,
            subscription_details: { metadata, subscription },
            type: 'subscription_details',
          },
        }),
  };
}

/** A line of an invoice, in either shape. */
export function invoiceLineObject(
  line: Identified,
  { subscription = null, shape = 'current' }: InvoiceOptions,
): StripeObject {
  const { id, price, discount = 0, quantity = 1, proration = false } = line;
  const period = { start: now(), end: now() + 30 * 86_400 };
  const common = {
    id,
    object: 'line_item',
    amount: gross(line),
    currency: 'usd',
    description: `${quantity} × ${price}`,
    discount_amounts: discount === 0 ? [] : [{ amount: discount, discount: 'di_sim' }],
    livemode: false,
    metadata: {},
    period,
    quantity,
  };
  if (shape === 'acacia') {
    const type = subscription ? 'subscription' : 'invoiceitem';
    return { ...common, price: priceObject(line), proration, subscription, type };
  }
  const type = subscription ? 'subscription_item_details' : 'invoice_item_details';
  const details = { proration, proration_details: { credited_items: null }, subscription };
  return {
    ...common,
    parent: {
      invoice_item_details: null,
      subscription_item_details: null,
      [type]: details,
      type,
    },
    pricing: {
      price_details: { price, product: `prod_sim_${price}` },
      type: 'price_details',
      unit_amount_decimal: String(line.unitAmount ?? 100),
    },
  };
}

export function eventObject(
  id: string,
  type: string,
  object: StripeObject,
  shape: Shape = 'current',
): StripeEvent {
  return {
    id,
    object: 'event',
    api_version: API_VERSION[shape],
    created: now(),
    data: { object },
    livemode: false,
    pending_webhooks: 1,
    request: { id: null, idempotency_key: null },
    type,
  };
}
