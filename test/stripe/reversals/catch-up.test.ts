import { describe, expect, test } from 'vitest';
import { retryEvent } from '../../../src/stripe/reconcile/ignored-events.ts';
import { debit, fillAccount } from '../../support/commands.ts';
import { until } from '../../support/stripe.ts';
import {
  createPaid,
  createPayment,
  fresh,
  missing,
  NOON,
  stage,
  useReversalStage,
} from './harness.ts';

// What was told of a payment is settled when the payment comes, or comes to be known by another
// name; and then the entry says what moved the credits.

useReversalStage();

const newestEntry = async ({ userId }: { userId: string }) => {
  const { entries } = await stage.ledger.entries(userId, { limit: 1, before: null });
  return entries[0];
};

describe('an entry about reversals that came before their payment names', () => {
  test('the one that took the credits, not one that had ended', async () => {
    const payment = createPayment();
    const [ended, taken] = [fresh('re'), fresh('re')];
    await stage.deliver(payment.refund(ended, 60, 'pending', 'refund.created'));
    await stage.deliver(payment.refund(taken, 40, 'succeeded', 'refund.created'));
    await stage.deliver(payment.refund(ended, 60, 'failed', 'refund.failed'));
    await stage.deliver(payment.paid);
    expect(await newestEntry(payment)).toMatchObject({
      ...{ kind: 'clawback', delta: -400, reason: 'Refund', ref: taken, metadata: null },
    });
  });

  test('the latest of several, and all of them in its metadata', async () => {
    const payment = createPayment();
    const [refund, dispute] = [fresh('re'), fresh('dp')];
    const lost = payment.dispute(dispute, 30, 'closed', 'lost', NOON + 60);
    await stage.deliver(lost);
    await stage.deliver(payment.refund(refund, 40, 'succeeded'));
    await stage.deliver(payment.paid);
    expect(await newestEntry(payment)).toMatchObject({
      ...{ kind: 'clawback', delta: -700, reason: 'Dispute', ref: dispute },
      metadata: { reversals: `${refund} ${dispute}` },
    });
  });
});

test('an entry names a reversal once, though several events settle its payment at the same moment', async () => {
  const payments = Array.from({ length: 10 }, () => createPayment());
  for (const payment of payments) {
    await stage.deliver(payment.refund(fresh('re'), 40, 'succeeded'));
  }
  const told = payments.flatMap(({ paid }) =>
    Array.from({ length: 5 }, () => ({ ...paid, id: fresh('evt') })),
  );
  await Promise.all(told.map(stage.deliver));
  for (const payment of payments) {
    expect(await newestEntry(payment)).toMatchObject({ delta: -400, metadata: null });
  }
});

test('what the ledger refuses parks whatever should have settled it, until it can be', async () => {
  const { ledger, deliver, stored } = stage;
  const payment = await createPaid();
  const { userId } = payment;
  const [failing, kept] = [fresh('re'), fresh('re')];
  await deliver(payment.refund(failing, 50, 'pending', 'refund.created'));
  await deliver(payment.refund(kept, 50, 'succeeded', 'refund.created'));
  expect(await missing(payment)).toBe(1000);
  await fillAccount(ledger, userId);
  const failed = payment.refund(failing, 50, 'failed', 'refund.failed');
  expect(await deliver(failed)).toBe('parked');
  const again = { ...payment.paid, id: fresh('evt') };
  expect(await deliver(again)).toBe('parked');
  expect((await stored(again))?.reason).toBe('the ledger refuses: balance_limit');
  await ledger.post(debit(userId, 500));
  expect(await deliver({ ...payment.paid, id: fresh('evt') })).toBe('done');
  expect(await newestEntry(payment)).toMatchObject({
    ...{ kind: 'reinstatement', delta: 500, reason: 'Refund', ref: failing, metadata: null },
  });
  for (const event of [failed, again]) {
    await until(async () => (await stored(event))?.state === 'done');
  }
});

test('an event that is attempted again settles what is on file by then, though it moved credits', async () => {
  const { deliver, fake, stored } = stage;
  const payment = await createPaid();
  const intent = String(payment.paid.data.object['payment_intent']);
  const { events } = fake.refundPayment(intent, { amount: 30 });
  const told = events.find(({ type }) => type === 'charge.refunded') ?? { id: '' };
  await deliver({ ...told });
  expect(await missing(payment)).toBe(300);
  // Nothing tells of this one, but that Stripe lists it.
  fake.refundPayment(intent, { amount: 50 });
  await retryEvent(stage.db.pool, { id: told.id, note: 'a refund is missing' });
  await until(async () => (await stored(told))?.state === 'done');
  expect(await missing(payment)).toBe(800);
  expect((await stored(told))?.reason).toBeNull();
});
