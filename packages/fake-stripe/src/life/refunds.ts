import { type ChargeRecord, leftOf } from '../objects/charge.ts';
import type { Metadata } from '../objects/object.ts';
import type { RefundRecord } from '../objects/refund.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { moveMoney } from './balance.ts';
import { fileRefund } from './file-refund.ts';
import { chargeOf } from './payments.ts';

export interface RefundPlan {
  /** Cents; everything that is left when it is left out. */
  readonly amount?: number;
  readonly reason?: string | null;
  readonly metadata?: Metadata;
  /** `pending` until settleRefund; cards succeed at once, slow methods do not. */
  readonly status?: 'pending' | 'succeeded';
}

/** @param target the charge (`ch_…`) or payment intent (`pi_…`) that is refunded */
export function refundPayment(world: World, target: string, plan: RefundPlan = {}): RefundRecord {
  const charge = target.startsWith('pi_')
    ? chargeOf(world, target)
    : world.store.need('charge', target);
  const left = leftOf(charge);
  const { amount = left } = plan;
  refuseRefund(world, charge, amount, left);
  return fileRefund(world, charge, {
    amount,
    reason: plan.reason ?? null,
    status: plan.status ?? (charge.method === 'card' ? 'succeeded' : 'pending'),
    metadata: plan.metadata ?? {},
  });
}

function refuseRefund(world: World, charge: ChargeRecord, amount: number, left: number): void {
  if (!charge.captured || charge.status !== 'succeeded') {
    throw new Refusal(`Charge ${charge.id} has not been captured, so it cannot be refunded.`);
  }
  if (left === 0) {
    throw new Refusal(`Charge ${charge.id} has already been refunded.`, {
      code: 'charge_already_refunded',
    });
  }
  const disputes = world.store.naming('dispute', 'charge', charge.id);
  if (disputes.some(({ status }) => /^(needs_response|under_review|lost)$/.test(status))) {
    throw new Refusal(`Charge ${charge.id} has been charged back.`, { code: 'charge_disputed' });
  }
  if (!Number.isSafeInteger(amount) || amount < 1) {
    throw new Refusal('Invalid positive integer', {
      code: 'parameter_invalid_integer',
      param: 'amount',
    });
  }
  if (amount > left) {
    const message = `Refund amount (${amount}) is greater than unrefunded amount on charge (${left})`;
    throw new Refusal(message, { param: 'amount' });
  }
}

/**
 * What becomes of a refund. A refund may fail even after it had succeeded, when the buyer's bank
 * returns it; only a pending one can be canceled.
 * @see https://docs.stripe.com/refunds#failed-refunds
 */
export function settleRefund(
  world: World,
  id: string,
  status: 'succeeded' | 'failed' | 'canceled',
): RefundRecord {
  const refund = world.store.need('refund', id);
  const ended = refund.status === 'failed' || refund.status === 'canceled';
  if (ended || (status !== 'failed' && refund.status !== 'pending')) {
    throw new Refusal(`Refund ${id} is ${refund.status}; it cannot turn ${status}.`);
  }
  const failed = status === 'failed';
  const { amount, currency } = refund;
  const types = ['refund.updated', 'charge.refund.updated', ...(failed ? ['refund.failed'] : [])];
  const changes = {
    status,
    ...(failed && { failureReason: 'expired_or_canceled_card' }),
    ...(status === 'succeeded' &&
      moveMoney(world, { amount: -amount, currency, source: id, category: 'refund' })),
  };
  const settled = world.change(refund, changes, ...types);
  if (status === 'succeeded') return settled;
  const charge = world.store.need('charge', refund.charge);
  const amountRefunded = charge.amountRefunded - amount;
  world.change(charge, { amountRefunded }, 'charge.updated');
  return settled;
}
