import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { until } from '../../support/stripe.ts';
import { createPayment, fresh, missing, stage, useReversalStage } from './harness.ts';

useReversalStage();

const PACK = { price: 'price_pack' };

/** It counts if they come after all, and says so. */
const gaveNone = (why: string) =>
  `its payment gave no credits by then: ${why}; it is on file for any that come later`;

const eventOf = (type: string, object: object) => createPayment().event(type, object);

const refundOf = (payment: { payment_intent: string | null; charge: string | null }) =>
  eventOf('refund.created', {
    ...{ object: 'refund', id: fresh('re'), amount: 40, currency: 'usd', status: 'succeeded' },
    ...payment,
  });

/** A session whose payment is slow, and what would tell of it and of its refund. */
function paySlowly() {
  const userId = fresh('user');
  const { id } = stage.fake.createSession({ userId, lines: [PACK] });
  const completed = stage.fake.completeSession(id, 'unpaid');
  const { object } = completed.data;
  return {
    ...{ userId, session: id, completed },
    failed: eventOf('checkout.session.async_payment_failed', object),
    succeeded: eventOf('checkout.session.async_payment_succeeded', {
      ...object,
      payment_status: 'paid',
    }),
    refund: refundOf({ payment_intent: String(object['payment_intent']), charge: fresh('ch') }),
  };
}

describe('money that goes back of a payment that never came is ignored, with the reason', () => {
  test('the slow payment failed', async () => {
    const payment = paySlowly();
    stage.fake.settleSession(payment.session, 'failed');
    for (const event of [payment.completed, payment.failed]) await stage.deliver(event);
    expect(await stage.deliver(payment.refund)).toBe('ignored');
    expect(await stage.stored(payment.refund)).toMatchObject({
      reason: gaveNone('its payment failed'),
    });
  });

  test('the slow payment fails after it', async () => {
    const payment = paySlowly();
    expect(await stage.deliver(payment.refund)).toBe('parked');
    stage.fake.settleSession(payment.session, 'failed');
    expect(await stage.deliver(payment.failed)).toBe('ignored');
    await until(async () => (await stage.stored(payment.refund))?.state === 'ignored');
  });

  // Up to 2025-02-24.acacia Stripe makes a refund of what was authorized and is not captured.
  test('its authorization was canceled', async () => {
    const { fake, deliver } = stage;
    const { id } = fake.createSession({ userId: fresh('user'), lines: [PACK], capture: 'manual' });
    const { object } = fake.paySession(id);
    const intent = String(object['payment_intent']);
    fake.cancelPayment(intent);
    const refund = refundOf({ payment_intent: intent, charge: fresh('ch') });
    expect(await deliver(refund)).toBe('ignored');
    expect(await stage.stored(refund)).toMatchObject({
      reason: gaveNone('its payment was canceled'),
    });
  });

  test('its checkout session expired', async () => {
    const { session, refund } = paySlowly();
    const { store } = stage.fake;
    store.save({ ...store.need('checkout.session', session), status: 'expired' });
    expect(await stage.deliver(refund)).toBe('ignored');
    expect(await stage.stored(refund)).toMatchObject({
      reason: gaveNone('its checkout session expired'),
    });
  });

  test.each(['void', 'uncollectible'] as const)('its invoice is %s', async (status) => {
    const { fake, deliver } = stage;
    const { object } = fake.issueInvoice({ customer: fresh('cus'), lines: [PACK], how: 'slow' });
    const note = eventOf('credit_note.created', {
      ...{ object: 'credit_note', id: fresh('cn'), currency: 'usd', status: 'issued' },
      ...{ invoice: object.id, total: 40, amount: 40, post_payment_amount: 40 },
    });
    expect(await deliver(note)).toBe('parked');
    fake.store.save({ ...fake.store.need('invoice', object.id), status });
    await until(async () => (await stage.stored(note))?.state === 'ignored');
    expect(await stage.stored(note)).toMatchObject({
      reason: gaveNone(`its invoice is ${status}`),
    });
  });

  test('and waits while Stripe cannot be asked', async () => {
    const payment = paySlowly();
    stage.fake.settleSession(payment.session, 'failed');
    stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/checkout/sessions/' });
    expect(await stage.deliver(payment.refund)).toBe('parked');
    stage.fake.setFault(null);
    await until(async () => (await stage.stored(payment.refund))?.state === 'ignored');
  });
});

test('a refund of a customer’s cash balance is ignored, with the reason, and asks nothing', async () => {
  const refund = refundOf({ payment_intent: null, charge: null });
  const before = stage.fake.requests();
  expect(await stage.deliver(refund)).toBe('ignored');
  expect(await stage.stored(refund)).toMatchObject({
    reason: "it returns what a customer's cash balance held, and no payment",
  });
  expect(stage.fake.requests()).toBe(before);
});

test('a refund of a charge without a payment intent is ignored, once Stripe was asked', async () => {
  const { store } = stage.fake;
  const [made] = store.all('charge');
  if (!made) throw new Error('nothing was ever charged');
  const charge = fresh('ch');
  store.save({ ...made, id: charge, paymentIntent: null });
  const refund = refundOf({ payment_intent: null, charge });
  expect(await stage.deliver(refund)).toBe('ignored');
  expect(await stage.stored(refund)).toMatchObject({
    reason: 'no checkout session and no invoice was paid with it',
  });
});

test('a payment that comes after all is net of it, in any order, whatever the API says', async () => {
  const other = await stage.restart();
  await other.receiver.start();
  const servers = [stage, other] as const;
  const cases = fc.record({
    order: fc.shuffledSubarray(['completed', 'failed', 'succeeded', 'refund'] as const, {
      minLength: 4,
    }),
    end: fc.constantFrom('succeeded', 'failed'),
    /** Which of them the API's answers are ahead of. */
    known: fc.nat(4),
    atOnce: fc.boolean(),
    luck: fc.infiniteStream(fc.nat(1)),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ order, end, known, atOnce, luck }) => {
      const payment = paySlowly();
      const told = order.map((name) => payment[name]);
      const under = [];
      for (const [i, event] of told.entries()) {
        if (i === known) stage.fake.settleSession(payment.session, end);
        const delivery = servers[luck.next().value === 0 ? 0 : 1].deliver(event);
        if (atOnce) under.push(delivery);
        else await delivery;
      }
      await Promise.all(under);
      if (known === told.length) stage.fake.settleSession(payment.session, end);
      for (const event of told) {
        await until(async () => /done|ignored/.test((await stage.stored(event))?.state ?? ''));
      }
      expect(await missing(payment)).toBe(400);
    }),
    { numRuns: 40 },
  );
});
