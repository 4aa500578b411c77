import type { Metadata, StripeObject, View } from './object.ts';

export interface CouponRecord {
  readonly object: 'coupon';
  readonly id: string;
  readonly created: number;
  readonly name: string | null;
  /** Exactly one of the two is given: percent, or cents of `currency`. */
  readonly percentOff: number | null;
  readonly amountOff: number | null;
  readonly currency: string | null;
  readonly metadata: Metadata;
}

export interface PromotionCodeRecord {
  readonly object: 'promotion_code';
  readonly id: string;
  readonly created: number;
  readonly active: boolean;
  /** What the buyer types. */
  readonly code: string;
  readonly coupon: CouponRecord;
  readonly metadata: Metadata;
}

export function renderCoupon(coupon: CouponRecord, view: View): StripeObject {
  const { object, id, created, name, percentOff, amountOff, currency, metadata } = coupon;
  return {
    id,
    object,
    amount_off: amountOff,
    created,
    currency,
    duration: 'once',
    duration_in_months: null,
    livemode: view.livemode,
    max_redemptions: null,
    metadata,
    name,
    percent_off: percentOff,
    redeem_by: null,
    times_redeemed: 0,
    valid: true,
  };
}

export function renderPromotionCode(promotion: PromotionCodeRecord, view: View): StripeObject {
  const { object, id, created, active, code, coupon, metadata } = promotion;
  return {
    id,
    object,
    active,
    code,
    created,
    customer: null,
    expires_at: null,
    livemode: view.livemode,
    max_redemptions: null,
    metadata,
    promotion: { coupon: coupon.id, type: 'coupon' },
    restrictions: {
      first_time_transaction: false,
      minimum_amount: null,
      minimum_amount_currency: null,
    },
    times_redeemed: 0,
  };
}
