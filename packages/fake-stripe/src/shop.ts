import { createPrice, createProduct, type PriceFields } from './life/catalogue.ts';
import type { World } from './world.ts';

/**
 * Two packs of credits and a monthly plan, as a shop would have made them in the dashboard; once,
 * and as they are then when they are there already.
 */
export function openShop(world: World): void {
  if (world.store.get('price', 'price_starter')) return;
  const sell = (price: string, name: string, fields: Omit<PriceFields, 'product'>) => {
    const product = createProduct(world, { id: `prod_sim_${price}`, name }).id;
    createPrice(world, { id: price, product, nickname: name, ...fields });
  };
  sell('price_starter', '500 credits', { unitAmount: 500, metadata: { credits: '500' } });
  sell('price_pro', '2,000 credits', { unitAmount: 1800, metadata: { credits: '2000' } });
  sell('price_monthly', 'Monthly plan: 1,000 credits', {
    unitAmount: 900,
    recurring: { interval: 'month', intervalCount: 1 },
    metadata: { credits: '1000', credits_category: 'included' },
  });
}
