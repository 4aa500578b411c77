import type { ChargeRecord } from '../objects/charge.ts';
import type { RefundRecord } from '../objects/refund.ts';
import type { World } from '../world.ts';

/** Makes a refund of a charge, and tells of both. */
export function fileRefund(
  world: World,
  { id: charge, currency, customer, paymentIntent, amountRefunded }: ChargeRecord,
  fields: Pick<RefundRecord, 'amount'> & Partial<RefundRecord>,
): RefundRecord {
  const refund = world.create<RefundRecord>(
    {
      object: 'refund',
      id: world.newId('re'),
      created: world.now(),
      ...{ currency, customer, charge, paymentIntent },
      reason: null,
      status: 'succeeded',
      failureReason: null,
      released: false,
      metadata: {},
      ...fields,
    },
    'refund.created',
  );
  const changes = { amountRefunded: amountRefunded + fields.amount };
  world.change({ object: 'charge', id: charge }, changes, 'charge.refunded');
  return refund;
}
