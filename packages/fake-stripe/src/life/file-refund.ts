import type { ChargeRecord } from '../objects/charge.ts';
import type { RefundRecord } from '../objects/refund.ts';
import type { World } from '../world.ts';
import { moveMoney } from './balance.ts';

type Fields = Pick<RefundRecord, 'amount'> & Partial<RefundRecord>;

/** Makes a refund of a charge, and tells of both. */
export function fileRefund(world: World, charge: ChargeRecord, fields: Fields): RefundRecord {
  const { amountRefunded } = charge;
  return file(world, charge, fields, { amountRefunded: amountRefunded + fields.amount });
}

/**
 * Makes the refund by which up to API version 2025-02-24.acacia Stripe releases what was authorized
 * and is not captured. Only where a part is captured does it move money: the whole came then.
 * @see https://docs.stripe.com/reports/reporting-categories
 */
export function fileRelease(world: World, charge: ChargeRecord, amount: number): RefundRecord {
  const changes = { amountRefunded: amount, amountReleased: amount };
  return file(world, charge, { amount }, changes, 'partial_capture_reversal');
}

function file(
  world: World,
  { id: charge, captured, currency, customer, paymentIntent }: ChargeRecord,
  fields: Fields,
  changes: Partial<ChargeRecord>,
  category: 'refund' | 'partial_capture_reversal' = 'refund',
): RefundRecord {
  const id = world.newId('re');
  const { amount, status = 'succeeded' } = fields;
  const isMoved = captured && status === 'succeeded';
  const refund = world.create<RefundRecord>(
    {
      object: 'refund',
      id,
      created: world.now(),
      ...{ currency, customer, charge, paymentIntent, status },
      reason: null,
      failureReason: null,
      balanceTransaction: null,
      metadata: {},
      ...fields,
      ...(isMoved && moveMoney(world, { amount: -amount, currency, source: id, category })),
    },
    'refund.created',
  );
  world.change({ object: 'charge', id: charge }, changes, 'charge.refunded');
  return refund;
}
