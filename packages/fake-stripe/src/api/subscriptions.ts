import { changeSubscription } from '../life/subscription-changes.ts';
import { cancelSubscription, startSubscription } from '../life/subscriptions.ts';
import type { PriceRecord } from '../objects/price.ts';
import { missing, Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import type { Form } from './form.ts';
import { listRecords } from './list.ts';
import {
  atLeast,
  boolean,
  checkKnown,
  given,
  list,
  metadata,
  needText,
  oneOf,
  text,
} from './params.ts';
import { type Call, type Routes, show } from './route.ts';

const PRORATIONS = ['create_prorations', 'always_invoice', 'none'] as const;

export const subscriptionRoutes: Routes = {
  'POST subscriptions': (call) => {
    const { world, form } = call;
    checkKnown(form, ['customer', 'items', 'metadata', 'trial_period_days']);
    const customer = needText(form, 'customer');
    if (!world.store.get('customer', customer)) throw missing('customer', customer, 'customer');
    const items = itemsOf(form).map((item) => ({
      price: recurringPrice(world, needText(item, 'price')),
      quantity: atLeast(1, item, 'quantity') ?? 1,
    }));
    if (items.length === 0) throw new Refusal('Missing required param: items.');
    const trialDays = atLeast(0, form, 'trial_period_days') ?? 0;
    const plan = { customer, items, metadata: metadata(form), trialDays };
    return show(call, startSubscription(world, plan).subscription);
  },
  'GET subscriptions': (call) => {
    const status = text(call.form, 'status');
    // As Stripe does, a list without a status leaves out those that have ended.
    return listRecords(call, 'subscription', {
      filters: { customer: 'customer' },
      where: (one) =>
        status === undefined ? one.status !== 'canceled' : ['all', one.status].includes(status),
      known: ['status'],
    });
  },
  'GET subscriptions/:id': (call) => show(call, call.world.store.need('subscription', call.id)),
  'POST subscriptions/:id': (call) => show(call, update(call)),
  'DELETE subscriptions/:id': (call) => show(call, cancelSubscription(call.world, call.id)),
};

function update({ world, form, id }: Call) {
  checkKnown(form, [
    'items',
    'metadata',
    'proration_behavior',
    'cancel_at_period_end',
    'billing_cycle_anchor',
  ]);
  let subscription = world.store.need('subscription', id);
  if (form['metadata'] !== undefined) {
    const changes = { metadata: metadata(form, subscription.metadata) };
    subscription = world.change(subscription, changes, 'customer.subscription.updated');
  }
  const atPeriodEnd = boolean(form, 'cancel_at_period_end');
  if (atPeriodEnd === true) subscription = cancelSubscription(world, id, { atPeriodEnd });
  if (atPeriodEnd === false) {
    const changes = { cancelAtPeriodEnd: false, canceledAt: null };
    subscription = world.change(subscription, changes, 'customer.subscription.updated');
  }
  const proration = oneOf(PRORATIONS, form, 'proration_behavior') ?? 'create_prorations';
  const resetPeriod = oneOf(['now', 'unchanged'], form, 'billing_cycle_anchor') === 'now';
  for (const item of itemsOf(form)) {
    const price = text(item, 'price');
    subscription = changeSubscription(world, id, {
      proration,
      resetPeriod,
      ...given({ item: text(item, 'id'), quantity: atLeast(1, item, 'quantity') }),
      ...(price !== undefined && { price: recurringPrice(world, price) }),
    });
  }
  return subscription;
}

const itemsOf = (form: Form) => list(form, 'items').filter((item) => typeof item === 'object');

function recurringPrice(world: World, id: string): PriceRecord {
  const price = world.store.get('price', id);
  if (!price) throw missing('price', id, 'items[0][price]');
  if (price.recurring) return price;
  throw new Refusal(`The price ${id} is set to \`type=one_time\`.`, { param: 'items[0][price]' });
}
