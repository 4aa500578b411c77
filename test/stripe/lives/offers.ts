import type { FakeStripe } from '../../../packages/fake-stripe/src/fake-stripe.ts';
import type { Prices } from '../../support/stripe.ts';

/** What is sold, and what it gives besides where it costs nothing, or stands on a manual invoice. */
interface Offer {
  readonly price: string;
  readonly credits: number;
  readonly cents: number;
  readonly gives: readonly ('free' | 'trial' | 'manual')[];
}

const PACKS = {
  pack: { price: 'price_pack', credits: 100, cents: 250, gives: [] },
  gift: { price: 'price_gift', credits: 30, cents: 120, gives: ['free', 'manual'] },
} satisfies Record<string, Offer>;

const PLANS = {
  plan: { price: 'price_plan', credits: 1000, cents: 1900, gives: ['free'] },
  plus: { price: 'price_plus', credits: 3000, cents: 4900, gives: ['trial'] },
} satisfies Record<string, Offer>;

type OfferName = keyof typeof PACKS | keyof typeof PLANS;
const OFFERS: Readonly<Record<OfferName, Offer>> = { ...PACKS, ...PLANS };
export const PACK_NAMES = Object.keys(PACKS) as readonly OfferName[];
export const PLAN_NAMES = Object.keys(PLANS) as readonly OfferName[];

/** One line of an order; a discount may take all of its price. */
export interface Item {
  readonly offer: OfferName;
  readonly quantity: number;
  readonly free: boolean;
}

/** The terms of all that is sold. */
export function catalogueOf(planExpires: boolean): Prices {
  const usual = Object.entries(OFFERS).map(([name, { price, credits, gives }]) => {
    const policies = Object.fromEntries(gives.map((policy) => [policy, 'grant']));
    const expires = name in PLANS && planExpires ? 'period_end' : 'never';
    return [price, { credits, expires, ...policies }] as const;
  });
  return new Map(usual);
}

/** Makes the prices at Stripe. */
export function offerAt(fake: FakeStripe): void {
  for (const [name, { price: id, cents: unitAmount }] of Object.entries(OFFERS)) {
    const product = String(fake.createProduct({ name }).object.id);
    const recurring = name in PLANS ? ({ interval: 'month', intervalCount: 1 } as const) : null;
    fake.createPrice({ id, product, unitAmount, recurring });
  }
}

export const priceOf = (offer: OfferName): string => OFFERS[offer].price;

/** The line, as the fake Stripe is asked for it. */
export function lineOf({ offer, quantity, free }: Item) {
  const { price, cents } = OFFERS[offer];
  return { price, quantity, discount: free ? cents * quantity : 0 };
}

/** What the lines cost, in cents. */
export function costOf(items: readonly Item[]): number {
  return items.reduce((sum, { offer, quantity, free }) => {
    return sum + (free ? 0 : OFFERS[offer].cents * quantity);
  }, 0);
}

/** Credits of each line that gives some: one that costs something, or whose offer is generous. */
export function creditsOf(items: readonly Item[]): readonly number[] {
  return items
    .filter(({ offer, free }) => !free || OFFERS[offer].gives.includes('free'))
    .map(({ offer, quantity }) => OFFERS[offer].credits * quantity);
}

/** The same in a trial, in which nothing costs anything. */
export function creditsInTrial(items: readonly Item[]): readonly number[] {
  return creditsOf(paidOnly(items).filter(({ offer }) => OFFERS[offer].gives.includes('trial')));
}

/** The same of a manual invoice, on which nothing is given for free. */
export function creditsByHand(items: readonly Item[]): readonly number[] {
  return creditsOf(
    items.filter(({ offer, free }) => !free && OFFERS[offer].gives.includes('manual')),
  );
}

/** As they are renewed: a discount is for once. */
export const paidOnly = (items: readonly Item[]) => items.map((one) => ({ ...one, free: false }));
