import { sum } from '../../sum.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { PublishedTerms } from '../catalogue/terms.ts';
import type { IntentItem, PurchaseIntent, PurchaseIntents } from '../payments/purchase-intents.ts';
import type { Line } from '../shapes/shapes.ts';
import type { Payment } from './interpretation.ts';

/** What was sold, as far as Purser itself opened the checkout. */
export interface Sold {
  readonly intentOf: (payment: Pick<Payment, 'intent'>) => Promise<PurchaseIntent | null>;
  /** The terms of these prices: as they were offered, else as they are in force. */
  readonly termsOf: (
    prices: readonly string[],
    intent: PurchaseIntent | null,
  ) => Promise<ReadonlyMap<string, PublishedTerms>>;
}

export function createSold(
  intents: Pick<PurchaseIntents, 'find'>,
  catalogue: Pick<Catalogue, 'find' | 'findVersions'>,
): Sold {
  return {
    intentOf: async ({ intent }) => (intent === null ? null : intents.find(intent)),
    async termsOf(prices, intent) {
      const offered = (intent?.items ?? []).filter(({ price }) => prices.includes(price));
      const then = offered.length === 0 ? new Map() : await catalogue.findVersions(offered);
      const others = prices.filter((price) => !then.has(price));
      return new Map([...(await catalogue.find(others)), ...then]);
    },
  };
}

/**
 * The lines of a session without asking Stripe for them, or null when only Stripe can tell: the
 * buyer could change what was ordered, or it costs something else than when it was opened.
 */
export function linesOfIntent(
  { mode, items, adjustable, money }: PurchaseIntent,
  payment: Pick<Payment, 'money' | 'discounted'>,
): readonly Line[] | null {
  const { total, currency } = payment.money;
  if (mode !== 'payment' || adjustable || payment.discounted || money === null) return null;
  if (money.amount !== total || money.currency !== currency) return null;
  if (items.some((item) => item.amount === null) || totalOf(items) !== total) return null;
  return items.map(({ price, quantity, amount: each }) => ({
    id: null,
    price,
    quantity,
    cost: each === 0 ? 'free' : 'paid',
    total: null,
    proration: false,
    period: null,
  }));
}

function totalOf(items: readonly IntentItem[]): number {
  return sum(items.map(({ amount, quantity }) => (amount ?? 0) * quantity));
}
