import type { Pool } from 'pg';
import type { Answer, StripeApi } from '../api/api.ts';
import { readPrice } from './price-sync.ts';
import { addPrice, type StripePrice, selectPrices } from './stripe-prices.ts';

/** What Stripe says of its prices: asked once and kept, because these facts never change. */
export interface PriceBook {
  /** Null for a price that Stripe does not sell: it does not know it, or has archived it. */
  readonly find: (
    prices: readonly string[],
  ) => Promise<Answer<ReadonlyMap<string, StripePrice | null>>>;
}

export function createPriceBook(pool: Pool, api: StripeApi): PriceBook {
  async function ask(price: string): Promise<Answer<StripePrice | null>> {
    const asked = await api.ask((client) => client.prices.retrieve(price, { expand: ['product'] }));
    if (asked.kind === 'unusable' && asked.refusal?.code === 'resource_missing') {
      return { kind: 'answer', value: null };
    }
    if (asked.kind !== 'answer') return asked;
    if (asked.value.active !== true) return { kind: 'answer', value: null };
    const fact = { ...readPrice(asked.value), id: price };
    await addPrice(pool, fact);
    return { kind: 'answer', value: fact };
  }

  return {
    async find(prices) {
      const found = new Map(await selectPrices(pool, prices));
      for (const price of prices.filter((one) => !found.has(one))) {
        const asked = await ask(price);
        if (asked.kind !== 'answer') return asked;
        found.set(price, asked.value);
      }
      return { kind: 'answer', value: found };
    },
  };
}
