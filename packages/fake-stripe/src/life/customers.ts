import type { CustomerRecord } from '../objects/customer.ts';
import type { World } from '../world.ts';
import { endSubscription } from './subscriptions.ts';

export type CustomerFields = Partial<
  Pick<CustomerRecord, 'email' | 'name' | 'phone' | 'description' | 'metadata' | 'balance'>
>;

export function createCustomer(world: World, fields: CustomerFields): CustomerRecord {
  return world.create(newCustomer(world, world.newId('cus'), fields), 'customer.created');
}

/** Makes a customer known who is named as if there had always been one; tells nobody. */
export function learnCustomer(world: World, id: string): CustomerRecord {
  return world.store.get('customer', id) ?? world.create(newCustomer(world, id, {}));
}

function newCustomer(world: World, id: string, fields: CustomerFields): CustomerRecord {
  return {
    object: 'customer',
    id,
    created: world.now(),
    email: null,
    name: null,
    phone: null,
    description: null,
    balance: 0,
    metadata: {},
    deleted: false,
    ...fields,
  };
}

/** Deletes a customer, and ends the subscriptions first. */
export function deleteCustomer(world: World, id: string): CustomerRecord {
  const customer = world.store.need('customer', id);
  for (const subscription of world.store.naming('subscription', 'customer', id)) {
    if (subscription.status !== 'canceled') endSubscription(world, subscription.id);
  }
  const deleted = world.change(customer, { deleted: true });
  world.tell(customer, 'customer.deleted');
  return deleted;
}
