import type { FastifyBaseLogger } from 'fastify';
import type { Catalogue, Pack } from './catalogue.ts';
import type { PriceBook } from './price-book.ts';

export interface PacksOptions {
  readonly catalogue: Pick<Catalogue, 'packs'>;
  readonly prices: PriceBook;
  readonly log: FastifyBaseLogger;
}

/** How long Stripe is not asked again after it gave no answer, in milliseconds. */
const PAUSE = 300_000;

/**
 * Lists what is for sale. What Stripe was not asked yet is asked behind the answer, so that a
 * pricing page is never slow, and shows amounts soon; by one at a time, because anybody may read it.
 */
export function createPacks({ catalogue, prices, log }: PacksOptions) {
  /** What Stripe does not sell: only a restart asks for it again. */
  const notSold = new Set<string>();
  let learning = false;
  let notBefore = 0;

  async function learn(packs: readonly Pack[]): Promise<void> {
    learning = true;
    try {
      for (const { price, currency } of packs) {
        if (currency !== null || notSold.has(price)) continue;
        const found = await prices.find([price]);
        if (found.kind !== 'answer') {
          notBefore = Date.now() + PAUSE;
          return;
        }
        if (!found.value.get(price)) notSold.add(price);
      }
      if (packs.some(({ price, currency }) => currency === null && !notSold.has(price))) {
        await catalogue.packs(true);
      }
    } catch (error) {
      log.warn({ err: error }, 'the amounts of packs could not be learned');
    } finally {
      learning = false;
    }
  }

  return async (): Promise<readonly Pack[]> => {
    const packs = await catalogue.packs();
    if (!learning && Date.now() >= notBefore) void learn(packs);
    return packs;
  };
}
