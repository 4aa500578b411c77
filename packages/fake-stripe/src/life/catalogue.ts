import type { CouponRecord } from '../objects/coupon.ts';
import type { PriceRecord } from '../objects/price.ts';
import type { ProductRecord } from '../objects/product.ts';
import type { World } from '../world.ts';

export type ProductFields = Pick<ProductRecord, 'name'> &
  Partial<Pick<ProductRecord, 'id' | 'description' | 'metadata' | 'active'>>;

export function createProduct(world: World, fields: ProductFields): ProductRecord {
  return world.create(newProduct(world, fields), 'product.created');
}

function newProduct(world: World, fields: ProductFields): ProductRecord {
  const { id = world.newId('prod'), name, description = null } = fields;
  const { metadata = {}, active = true } = fields;
  const now = world.now();
  return { object: 'product', id, created: now, updated: now, active, name, description, metadata };
}

export type PriceFields = Pick<PriceRecord, 'unitAmount' | 'product'> &
  Partial<
    Pick<
      PriceRecord,
      'id' | 'currency' | 'recurring' | 'metadata' | 'nickname' | 'lookupKey' | 'active'
    >
  >;

export function createPrice(world: World, fields: PriceFields): PriceRecord {
  return world.create(newPrice(world, fields), 'price.created');
}

function newPrice(world: World, fields: PriceFields): PriceRecord {
  return {
    object: 'price',
    id: world.newId('price'),
    created: world.now(),
    active: true,
    currency: 'usd',
    recurring: null,
    metadata: {},
    nickname: null,
    lookupKey: null,
    ...fields,
  };
}

/** Makes a price known that is named as if there had always been one; tells nobody. */
export function learnPrice(
  world: World,
  id: string,
  { unitAmount = 100, recurring = false }: { unitAmount?: number; recurring?: boolean } = {},
): PriceRecord {
  const known = world.store.get('price', id);
  if (known) return known;
  const product = `prod_sim_${id}`;
  if (!world.store.get('product', product)) {
    world.create(newProduct(world, { id: product, name: id }));
  }
  const plan = recurring ? ({ interval: 'month', intervalCount: 1 } as const) : null;
  return world.create(
    newPrice(world, { id, product, unitAmount: Math.max(unitAmount, 1), recurring: plan }),
  );
}

export type CouponFields = Partial<Omit<CouponRecord, 'object' | 'created'>>;

export function createCoupon(world: World, fields: CouponFields): CouponRecord {
  return world.create<CouponRecord>(
    {
      object: 'coupon',
      id: world.newId('coupon'),
      created: world.now(),
      name: null,
      percentOff: null,
      amountOff: null,
      currency: null,
      metadata: {},
      ...fields,
    },
    'coupon.created',
  );
}
