import { createPrice, createProduct } from './life/catalogue.ts';
import type { World } from './world.ts';

/** Two packs of credits and a monthly plan, as a shop would have made them in the dashboard. */
export function openShop(world: World): void {
  createProduct(world, {
    id: 'prod_sim_pack',
    name: 'Credits',
    description: 'Credits that are bought once and do not expire.',
  });
  createProduct(world, {
    id: 'prod_sim_plan',
    name: 'Monthly plan',
    description: 'New credits every month.',
  });
  const pack = { product: 'prod_sim_pack' };
  createPrice(world, {
    ...pack,
    id: 'price_starter',
    nickname: 'Starter pack, 500 credits',
    unitAmount: 500,
    metadata: { credits: '500' },
  });
  createPrice(world, {
    ...pack,
    id: 'price_pro',
    nickname: 'Pro pack, 2000 credits',
    unitAmount: 1800,
    metadata: { credits: '2000' },
  });
  createPrice(world, {
    product: 'prod_sim_plan',
    id: 'price_monthly',
    nickname: 'Monthly plan, 1000 credits',
    unitAmount: 900,
    recurring: { interval: 'month', intervalCount: 1 },
    metadata: { credits: '1000', credits_category: 'included' },
  });
}
