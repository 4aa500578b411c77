import { afterAll, beforeAll, expect } from 'vitest';
import { verifyLedger } from '../../../src/ledger/read/verify.ts';
import { type Prices, type StripeStage, startStripeStage } from '../../support/stripe.ts';

export let stage: StripeStage;
/** Gives the file a running receiver, with the pack at least, and verifies its ledger at the end. */
export function useReversalStage(catalogue: Prices = new Map([['price_pack', 1000]])): void {
  beforeAll(async () => {
    stage = await startStripeStage({ catalogue });
    await stage.receiver.start();
  });
  afterAll(async () => {
    expect(await verifyLedger(stage.db.pool)).toMatchObject({ faults: [] });
    expect(stage.ledger.counts.lockViolations).toBe(0);
    await stage.close();
  });
}

/** What the pack of 1,000 credits costs, in cents. */
export const PAID = 100;
export const NOON = 1_790_000_000;

let made = 0;
export function fresh(prefix: string): string {
  made += 1;
  return `${prefix}_${made}`;
}

/** A payment that has been made, with the events that Stripe would send about it. */
export function createPayment() {
  const userId = fresh('user');
  const charge = fresh('ch');
  const { id } = stage.fake.createSession({ userId, lines: [{ price: 'price_pack' }] });
  const paid = stage.fake.completeSession(id);
  const intent = String(paid.data.object['payment_intent']);

  const event = (type: string, object: object, created = NOON) => ({
    ...paid,
    id: fresh('evt'),
    type,
    created,
    data: { object },
  });
  const reversal = (id: string, amount: number) => ({
    ...{ id, amount, currency: 'usd', charge, payment_intent: intent, livemode: false },
  });
  return {
    userId,
    charge,
    paid,
    event,
    refund: (id: string, amount: number, status: string, type = 'refund.updated') =>
      event(type, { object: 'refund', ...reversal(id, amount), status }),
    dispute: (id: string, amount: number, what: string, status: string, created = NOON) => {
      const object = { object: 'dispute', ...reversal(id, amount), status };
      return event(`charge.dispute.${what}`, object, created);
    },
  };
}

export async function createPaid() {
  const payment = createPayment();
  expect(await stage.deliver(payment.paid)).toBe('done');
  return payment;
}

export const missing = async ({ userId }: { userId: string }) =>
  1000 - (await stage.balanceOf(userId));
