import type { FakeStripe } from '../../../packages/fake-stripe/src/fake-stripe.ts';
import type { Prices } from '../../support/stripe.ts';

/** Whether what a period of a plan gave expires with it, and what some packs gave after days. */
export interface Expiry {
  readonly planExpires: boolean;
  readonly packExpires: boolean;
}

/** What is sold, and what it gives besides where it costs nothing, or stands on a manual invoice. */
interface Offer {
  readonly price: string;
  readonly credits: number;
  readonly cents: number;
  /** After how many days it expires, where packs do. */
  readonly days?: number;
  readonly gives: readonly ('free' | 'trial' | 'manual')[];
}

const PACKS = {
  pack: { price: 'price_pack', credits: 100, cents: 250, days: 30, gives: [] },
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
export function catalogueOf({ planExpires, packExpires }: Expiry): Prices {
  const terms = Object.entries(OFFERS).map(([name, { price, credits, days, gives }]) => {
    const policies = Object.fromEntries(gives.map((policy) => [policy, 'grant']));
    const ofPlan = name in PLANS && planExpires ? 'period_end' : 'never';
    const expires = days !== undefined && packExpires ? (`${days} days` as const) : ofPlan;
    return [price, { credits, expires, ...policies }] as const;
  });
  return new Map(terms);
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

export const creditsOf = ({ offer, quantity }: Item): number => OFFERS[offer].credits * quantity;

/** After how many days what it gave expires, where packs do; null for never. */
export const daysOf = ({ offer }: Item): number | null => OFFERS[offer].days ?? null;

/** The lines that give credits: those that cost something, or whose offer is generous. */
export function giving(items: readonly Item[]): readonly Item[] {
  return items.filter(({ offer, free }) => !free || OFFERS[offer].gives.includes('free'));
}

/** The same in a trial, in which nothing costs anything. */
export function givingInTrial(items: readonly Item[]): readonly Item[] {
  return items.filter(({ offer }) => OFFERS[offer].gives.includes('trial'));
}

/** The same of a manual invoice, on which nothing is given for free. */
export function givingByHand(items: readonly Item[]): readonly Item[] {
  return items.filter(({ offer, free }) => !free && OFFERS[offer].gives.includes('manual'));
}

/** As they are renewed: a discount is for once. */
export const paidOnly = (items: readonly Item[]) => items.map((one) => ({ ...one, free: false }));
