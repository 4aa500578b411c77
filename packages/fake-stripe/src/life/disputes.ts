import type { DisputeRecord } from '../objects/dispute.ts';
import { sum } from '../objects/object.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { chargeOf } from './payments.ts';

export interface DisputePlan {
  /** Cents; the whole charge when it is left out. */
  readonly amount?: number;
  readonly reason?: string;
  /** An early warning: the bank asks, and no money moves. */
  readonly inquiry?: boolean;
}

const FEE = 1500;

/**
 * The buyer's bank disputes a payment and, unless it only inquires, takes the money back.
 * @param target the charge (`ch_…`) or payment intent (`pi_…`)
 */
export function openDispute(world: World, target: string, plan: DisputePlan = {}): DisputeRecord {
  const charge = target.startsWith('pi_')
    ? chargeOf(world, target)
    : world.store.need('charge', target);
  const { inquiry = false, reason = 'fraudulent', amount = charge.amountCaptured } = plan;
  if (!(amount > 0 && amount <= charge.amountCaptured)) {
    throw new Refusal('A dispute is about at most what was paid.', { param: 'amount' });
  }
  const dispute = world.create<DisputeRecord>(
    {
      object: 'dispute',
      id: world.newId('dp'),
      created: world.now(),
      amount,
      currency: charge.currency,
      charge: charge.id,
      paymentIntent: charge.paymentIntent,
      reason,
      status: inquiry ? 'warning_needs_response' : 'needs_response',
      transactions: [],
      metadata: {},
    },
    'charge.dispute.created',
  );
  world.change(charge, { disputed: true }, 'charge.updated');
  return inquiry ? dispute : withdraw(world, dispute);
}

/** The bank is not content with the answer to its inquiry, and takes the money back. */
export function escalateDispute(world: World, id: string): DisputeRecord {
  const dispute = world.store.need('dispute', id);
  if (!dispute.status.startsWith('warning_')) throw ended(dispute);
  const changes = { status: 'needs_response' } as const;
  return withdraw(world, world.change(dispute, changes, 'charge.dispute.updated'));
}

/** The shop sends its evidence; the bank looks at it. */
export function contestDispute(world: World, id: string): DisputeRecord {
  const dispute = world.store.need('dispute', id);
  if (!dispute.status.endsWith('needs_response')) throw ended(dispute);
  const status = dispute.status === 'needs_response' ? 'under_review' : 'warning_under_review';
  return world.change(dispute, { status }, 'charge.dispute.updated');
}

/**
 * The bank decides. An inquiry ends as warning_closed, whoever was right. A dispute that was lost
 * may still be won later, in arbitration, and the money comes back.
 */
export function closeDispute(world: World, id: string, result: 'won' | 'lost'): DisputeRecord {
  const dispute = world.store.need('dispute', id);
  if (dispute.status === 'won' || dispute.status === 'warning_closed') throw ended(dispute);
  if (dispute.status === 'lost' && result === 'lost') throw ended(dispute);
  const status = dispute.status.startsWith('warning_') ? 'warning_closed' : result;
  const closed = world.change(dispute, { status }, 'charge.dispute.closed');
  return status === 'won' ? reinstate(world, closed) : closed;
}

function withdraw(world: World, dispute: DisputeRecord): DisputeRecord {
  return move(world, dispute, -dispute.amount, 'charge.dispute.funds_withdrawn');
}

function reinstate(world: World, dispute: DisputeRecord): DisputeRecord {
  const away = -sum(dispute.transactions.map(({ amount }) => amount));
  if (away === 0) return dispute;
  return move(world, dispute, away, 'charge.dispute.funds_reinstated');
}

function move(world: World, dispute: DisputeRecord, amount: number, type: string): DisputeRecord {
  const transaction = {
    id: world.newId('txn'),
    created: world.now(),
    amount,
    fee: amount < 0 ? FEE : -FEE,
  };
  return world.change(dispute, { transactions: [...dispute.transactions, transaction] }, type);
}

function ended({ id, status }: DisputeRecord): Refusal {
  return new Refusal(`Dispute ${id} is ${status}.`);
}
