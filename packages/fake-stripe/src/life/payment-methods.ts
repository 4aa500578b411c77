import type { PaymentMethodRecord } from '../objects/payment-method.ts';
import type { World } from '../world.ts';

/** Saves a card for a customer, to be used while the customer is away. */
export function savePaymentMethod(
  world: World,
  customer: string,
  offSession: PaymentMethodRecord['offSession'] = 'succeeds',
): PaymentMethodRecord {
  return world.create<PaymentMethodRecord>(
    {
      object: 'payment_method',
      id: world.newId('pm'),
      created: world.now(),
      customer,
      offSession,
    },
    'payment_method.attached',
  );
}

/** Takes a card from its customer; nothing can be paid with it any more. */
export function detachPaymentMethod(world: World, id: string): PaymentMethodRecord {
  return world.change(
    { object: 'payment_method', id },
    { customer: null },
    'payment_method.detached',
  );
}
