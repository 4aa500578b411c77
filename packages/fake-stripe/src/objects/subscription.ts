import type { InvoiceLine } from './invoice-line.ts';
import { listWithin, type Metadata, type StripeObject, type View } from './object.ts';
import { type PriceRecord, renderPlan, renderPrice } from './price.ts';

export interface SubscriptionItem {
  readonly id: string;
  readonly created: number;
  readonly price: PriceRecord;
  readonly quantity: number;
}

export interface SubscriptionRecord {
  readonly object: 'subscription';
  readonly id: string;
  readonly created: number;
  readonly customer: string;
  readonly currency: string;
  readonly items: readonly SubscriptionItem[];
  readonly metadata: Metadata;
  readonly status: 'trialing' | 'active' | 'past_due' | 'incomplete' | 'canceled';
  readonly trialStart: number | null;
  readonly trialEnd: number | null;
  readonly periodStart: number;
  readonly periodEnd: number;
  readonly cancelAtPeriodEnd: boolean;
  readonly canceledAt: number | null;
  readonly endedAt: number | null;
  readonly latestInvoice: string | null;
  /** Prorations that the next invoice will bring. */
  readonly pending: readonly InvoiceLine[];
}

export function renderSubscription(record: SubscriptionRecord, view: View): StripeObject {
  const { id, object, created, customer, currency, items, metadata, status } = record;
  const { periodStart, periodEnd, trialStart, trialEnd, cancelAtPeriodEnd } = record;
  const acacia = view.shape === 'acacia';
  const [first] = items;
  return {
    id,
    object,
    application: null,
    application_fee_percent: null,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null },
    billing_cycle_anchor: trialEnd ?? created,
    billing_cycle_anchor_config: null,
    ...(!acacia && { billing_mode: { flexible: null, type: 'flexible', updated_at: created } }),
    billing_thresholds: null,
    cancel_at: cancelAtPeriodEnd ? periodEnd : null,
    cancel_at_period_end: cancelAtPeriodEnd,
    canceled_at: record.canceledAt,
    cancellation_details: { comment: null, feedback: null, reason: null },
    collection_method: 'charge_automatically',
    created,
    currency,
    ...(acacia && { current_period_end: periodEnd, current_period_start: periodStart }),
    customer,
    ...(!acacia && { customer_account: null }),
    days_until_due: null,
    default_payment_method: null,
    default_source: null,
    default_tax_rates: [],
    description: null,
    ...(acacia && { discount: null }),
    discounts: [],
    ended_at: record.endedAt,
    invoice_settings: { account_tax_ids: null, issuer: { type: 'self' } },
    items: listWithin(
      `/v1/subscription_items?subscription=${id}`,
      items.map((item) => renderItem(item, record, view)),
    ),
    latest_invoice: record.latestInvoice,
    livemode: view.livemode,
    metadata,
    next_pending_invoice_item_invoice: null,
    on_behalf_of: null,
    pause_collection: null,
    payment_settings: {
      payment_method_options: null,
      payment_method_types: null,
      save_default_payment_method: 'off',
    },
    pending_invoice_item_interval: null,
    pending_setup_intent: null,
    pending_update: null,
    ...(first && { plan: renderPlan(first.price, view), quantity: first.quantity }),
    schedule: null,
    start_date: created,
    status,
    test_clock: null,
    transfer_data: null,
    trial_end: trialEnd,
    trial_settings: { end_behavior: { missing_payment_method: 'create_invoice' } },
    trial_start: trialStart,
  };
}

function renderItem(
  item: SubscriptionItem,
  { id: subscription, periodStart, periodEnd }: SubscriptionRecord,
  view: View,
): StripeObject {
  return {
    id: item.id,
    object: 'subscription_item',
    billing_thresholds: null,
    created: item.created,
    ...(view.shape === 'current' && {
      current_period_end: periodEnd,
      current_period_start: periodStart,
    }),
    discounts: [],
    metadata: {},
    plan: renderPlan(item.price, view),
    price: renderPrice(item.price, view),
    quantity: item.quantity,
    subscription,
    tax_rates: [],
  };
}
