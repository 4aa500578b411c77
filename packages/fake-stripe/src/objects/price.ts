import type { Metadata, StripeObject, View } from './object.ts';

export interface Recurring {
  readonly interval: 'day' | 'week' | 'month' | 'year';
  readonly intervalCount: number;
}

export interface PriceRecord {
  readonly object: 'price';
  readonly id: string;
  readonly created: number;
  readonly active: boolean;
  readonly currency: string;
  /** Cents for one. */
  readonly unitAmount: number;
  readonly product: string;
  /** Null for a price that is paid once. */
  readonly recurring: Recurring | null;
  readonly metadata: Metadata;
  readonly nickname: string | null;
  readonly lookupKey: string | null;
}

export function renderPrice(price: PriceRecord, view: View): StripeObject {
  const { object, id, created, active, currency, unitAmount, product, recurring } = price;
  return {
    id,
    object,
    active,
    billing_scheme: 'per_unit',
    created,
    currency,
    custom_unit_amount: null,
    livemode: view.livemode,
    lookup_key: price.lookupKey,
    metadata: price.metadata,
    nickname: price.nickname,
    product,
    recurring: recurring && {
      interval: recurring.interval,
      interval_count: recurring.intervalCount,
      meter: null,
      trial_period_days: null,
      usage_type: 'licensed',
    },
    tax_behavior: 'unspecified',
    tiers_mode: null,
    transform_quantity: null,
    type: recurring ? 'recurring' : 'one_time',
    unit_amount: unitAmount,
    unit_amount_decimal: String(unitAmount),
  };
}

/** The plan that every recurring price also is, in objects that remember plans. */
export function renderPlan(price: PriceRecord, view: View): StripeObject | null {
  const { id, active, created, currency, unitAmount, product, recurring, metadata } = price;
  if (!recurring) return null;
  return {
    id,
    object: 'plan',
    active,
    amount: unitAmount,
    amount_decimal: String(unitAmount),
    billing_scheme: 'per_unit',
    created,
    currency,
    interval: recurring.interval,
    interval_count: recurring.intervalCount,
    livemode: view.livemode,
    metadata,
    meter: null,
    nickname: price.nickname,
    product,
    tiers_mode: null,
    transform_usage: null,
    trial_period_days: null,
    usage_type: 'licensed',
  };
}
