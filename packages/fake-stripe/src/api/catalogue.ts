import { createCoupon, createPrice, createProduct, type ProductFields } from '../life/catalogue.ts';
import type { PriceRecord, Recurring } from '../objects/price.ts';
import { missing, Refusal } from '../refusal.ts';
import type { Form } from './form.ts';
import { listRecords } from './list.ts';
import {
  atLeast,
  boolean,
  checkKnown,
  given,
  map,
  metadata,
  needText,
  nullable,
  oneOf,
  text,
} from './params.ts';
import { type Call, type Routes, show } from './route.ts';

/** Products, prices, coupons and promotion codes. */
export const catalogueRoutes: Routes = {
  'POST products': (call) => {
    checkKnown(call.form, ['id', 'name', 'description', 'metadata', 'active']);
    const product = createProduct(call.world, {
      name: needText(call.form, 'name'),
      ...productFields(call.form),
      ...given({ id: text(call.form, 'id') }),
    });
    return show(call, product);
  },
  'GET products': (call) => listRecords(call, 'product', { filters: { active: 'active' } }),
  'GET products/:id': (call) => show(call, call.world.store.need('product', call.id)),
  'POST products/:id': (call) => {
    checkKnown(call.form, ['name', 'description', 'metadata', 'active']);
    const product = call.world.store.need('product', call.id);
    const changes = {
      ...productFields(call.form, product.metadata),
      ...given({ name: text(call.form, 'name') }),
      updated: call.world.now(),
    };
    return show(call, call.world.change(product, changes, 'product.updated'));
  },
  'POST prices': (call) => show(call, createPrice(call.world, newPrice(call))),
  'GET prices': (call) =>
    listRecords(call, 'price', {
      filters: { active: 'active', product: 'product', currency: 'currency' },
      where: ({ recurring }) =>
        (text(call.form, 'type') ?? typeOf(recurring)) === typeOf(recurring),
      known: ['type'],
    }),
  'GET prices/:id': (call) => show(call, call.world.store.need('price', call.id)),
  'POST prices/:id': (call) => {
    checkKnown(call.form, ['active', 'metadata', 'nickname', 'lookup_key']);
    const price = call.world.store.need('price', call.id);
    const changes = {
      ...priceFields(call.form),
      metadata: metadata(call.form, price.metadata),
    };
    return show(call, call.world.change(price, changes, 'price.updated'));
  },
  'POST coupons': (call) => show(call, createCoupon(call.world, newCoupon(call.form))),
  'GET coupons/:id': (call) => show(call, call.world.store.need('coupon', call.id)),
  'POST promotion_codes': (call) => {
    checkKnown(call.form, ['promotion', 'code', 'metadata']);
    const id = needText(call.form, 'promotion', 'coupon');
    const coupon = call.world.store.get('coupon', id);
    if (!coupon) throw missing('coupon', id, 'promotion[coupon]');
    const promotion = call.world.create(
      {
        object: 'promotion_code',
        id: call.world.newId('promo'),
        created: call.world.now(),
        active: true,
        code: text(call.form, 'code') ?? call.world.newId('CODE').slice(-8).toUpperCase(),
        coupon,
        metadata: metadata(call.form),
      },
      'promotion_code.created',
    );
    return show(call, promotion);
  },
};

const typeOf = (recurring: Recurring | null) => (recurring ? 'recurring' : 'one_time');

function productFields(form: Form, before = {}): Partial<ProductFields> {
  const description = nullable(form, 'description');
  return {
    ...given({ description, active: boolean(form, 'active') }),
    metadata: metadata(form, before),
  };
}

type PriceFields = Partial<Pick<PriceRecord, 'active' | 'nickname' | 'lookupKey'>>;

function priceFields(form: Form): PriceFields {
  return given<PriceFields>({
    active: boolean(form, 'active'),
    nickname: nullable(form, 'nickname'),
    lookupKey: nullable(form, 'lookup_key'),
  });
}

const INTERVALS = ['day', 'week', 'month', 'year'] as const;

function newPrice({ world, form }: Call) {
  checkKnown(form, [
    'active',
    'currency',
    'lookup_key',
    'metadata',
    'nickname',
    'product',
    'product_data',
    'recurring',
    'unit_amount',
  ]);
  const currency = needText(form, 'currency').toLowerCase();
  if (!/^[a-z]{3}$/.test(currency)) {
    throw new Refusal(`Invalid currency: ${currency}.`, { param: 'currency' });
  }
  const unitAmount = atLeast(0, form, 'unit_amount');
  if (unitAmount === undefined) throw new Refusal('Missing required param: unit_amount.');
  const interval = oneOf(INTERVALS, form, 'recurring', 'interval');
  const intervalCount = atLeast(1, form, 'recurring', 'interval_count') ?? 1;
  const recurring: Recurring | null = interval ? { interval, intervalCount } : null;
  return {
    ...priceFields(form),
    currency,
    unitAmount,
    recurring,
    product: productOf(world, form),
    metadata: metadata(form),
  };
}

function productOf(world: Call['world'], form: Form): string {
  const name = text(map(form, 'product_data'), 'name');
  if (name) {
    return createProduct(world, { name, metadata: metadata(map(form, 'product_data')) }).id;
  }
  const product = needText(form, 'product');
  if (!world.store.get('product', product)) throw missing('product', product, 'product');
  return product;
}

function newCoupon(form: Form) {
  checkKnown(form, ['id', 'name', 'percent_off', 'amount_off', 'currency', 'duration', 'metadata']);
  const percent = text(form, 'percent_off');
  const percentOff = percent === undefined ? null : Number(percent);
  const amountOff = atLeast(1, form, 'amount_off') ?? null;
  if ((percentOff === null) === (amountOff === null)) {
    throw new Refusal('A coupon has either percent_off or amount_off.');
  }
  if (percentOff !== null && !(percentOff > 0 && percentOff <= 100)) {
    throw new Refusal('percent_off is above 0 and at most 100.', { param: 'percent_off' });
  }
  return {
    ...given({ id: text(form, 'id'), name: text(form, 'name') }),
    percentOff,
    amountOff,
    currency: amountOff === null ? null : needText(form, 'currency'),
    metadata: metadata(form),
  };
}
