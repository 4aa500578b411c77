/** An object as Stripe's API gives it. */
export interface StripeObject {
  readonly id: string;
  readonly object: string;
  readonly [field: string]: unknown;
}

export type Metadata = Readonly<Record<string, string>>;

/**
 * The API versions on either side of 2025-03-31.basil. Endpoints keep their version for ever, so
 * both shapes are still being sent.
 */
export type Shape = 'current' | 'acacia';

export const API_VERSION: Readonly<Record<Shape, string>> = {
  current: '2026-10-28.endive',
  acacia: '2025-02-24.acacia',
};

/** The shape that a request's Stripe-Version header asks for. */
export function shapeOf(version: string | undefined): Shape {
  return version !== undefined && version < '2025-03-31' ? 'acacia' : 'current';
}

/** How a record is to be rendered. */
export interface View {
  readonly shape: Shape;
  /** Where the fake itself is reached, for the pages that it serves. */
  readonly baseUrl: string;
  readonly livemode: boolean;
  /** Whose objects they are. */
  readonly account: string;
}

/** A list inside an object, with the first ten of its items; the others are to be listed. */
export function listWithin(url: string, items: readonly unknown[]) {
  return {
    object: 'list',
    data: items.slice(0, 10),
    has_more: items.length > 10,
    total_count: items.length,
    url,
  };
}

/** The sum of amounts in cents. */
export function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}

/** A tax that comes on top of an amount, in cents, as each version tells it. */
export function taxes(amount: number, { shape }: View) {
  if (amount === 0) return [];
  return shape === 'acacia'
    ? [{ amount, inclusive: false, tax_rate: 'txr_sim' }]
    : [{ amount, tax_behavior: 'exclusive', type: 'tax_rate_details' }];
}
