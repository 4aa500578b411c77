/**
 * What is authorized and not captured is released, up to API version 2025-02-24.acacia as a refund.
 * It takes no credits; and a real refund takes them, however alike the two may look.
 */
import { describe, expect, test } from 'vitest';
import type { StripeEvent } from '../../../packages/fake-stripe/src/events.ts';
import type { Happening } from '../../../packages/fake-stripe/src/life/life.ts';
import { forgetEvents, reconcileOn } from '../../support/reconcile.ts';
import { until } from '../../support/stripe.ts';
import { fresh, stage, useReversalStage } from './harness.ts';

useReversalStage();

/** Someone for whom 1,000 cents are authorized, a cent for each of 1,000 credits. */
function authorize() {
  const userId = fresh('user');
  const lines = [{ price: 'price_pack', unitAmount: 1000 }];
  const { id } = stage.fake.createSession({ userId, lines, capture: 'manual' });
  const intent = String(stage.fake.paySession(id).object['payment_intent']);
  return { userId, id, intent };
}

type Payment = ReturnType<typeof authorize>;

/** The same, of whom a part was captured; the rest is released as Stripe does it in a version. */
function capturePart(amount: number, shape: 'acacia' | 'current') {
  const payment = authorize();
  return { ...payment, ...stage.fake.capturePayment(payment.intent, amount, shape) };
}

async function capturePartAndGrant(amount: number, shape: 'acacia' | 'current') {
  const payment = capturePart(amount, shape);
  expect(await stage.sync(payment.userId, payment.id)).toBe('granted');
  expect(await stage.balanceOf(payment.userId)).toBe(amount);
  return payment;
}

/** Someone who has 1,000 credits for 1,000 cents. */
async function pay(): Promise<Payment> {
  const payment = authorize();
  stage.fake.capturePayment(payment.intent);
  expect(await stage.sync(payment.userId, payment.id)).toBe('granted');
  return payment;
}

const told = ({ events }: Pick<Happening, 'events'>) =>
  events.filter(({ type }) => /refund/.test(type));

function first({ events }: Pick<Happening, 'events'>, type = 'refund.created'): StripeEvent {
  const event = events.find((one) => one.type === type);
  if (!event) throw new Error(`nothing tells of ${type}`);
  return event;
}

/** The event as it would tell of a refund whose money has not moved yet, or not by then. */
const without = (event: StripeEvent, status: string) => ({
  ...event,
  id: fresh('evt'),
  data: { object: { ...event.data.object, balance_transaction: null, status } },
});

/** The event as it is up to API version 2022-08-01, where a charge holds its refunds. */
const holding = (event: StripeEvent, refunds: readonly object[]) => {
  const object = {
    ...event.data.object,
    refunds: { object: 'list', data: refunds, has_more: false },
  };
  return { ...event, data: { object } };
};

describe('what was not captured', () => {
  test.each(['before', 'after'])('takes nothing, told of %s the grant', async (when) => {
    const { userId, id, events } = capturePart(333, 'acacia');
    const released = told({ events });
    expect(released.map(({ type }) => type)).toEqual(['refund.created', 'charge.refunded']);
    if (when === 'after') await stage.sync(userId, id);
    for (const event of released) expect(await stage.deliver({ ...event })).toBe('ignored');
    expect((await stage.stored(first({ events })))?.reason).toMatch(/no money moved/);
    await stage.sync(userId, id);
    expect(await stage.balanceOf(userId)).toBe(333);
  });

  test.each(['pending', 'succeeded'])('takes nothing while it is told as %s', async (status) => {
    const { userId, events } = await capturePartAndGrant(333, 'acacia');
    expect(await stage.deliver(without(first({ events }), status))).toBe('ignored');
    expect(await stage.balanceOf(userId)).toBe(333);
  });

  test('takes nothing when all of it is given up', async () => {
    const { intent } = authorize();
    for (const event of told(stage.fake.cancelPayment(intent, 'acacia'))) {
      expect(await stage.deliver({ ...event })).toBe('ignored');
    }
  });

  test('waits for Stripe, which alone knows it for what it is', async () => {
    const { userId, events } = await capturePartAndGrant(333, 'acacia');
    const released = first({ events });
    stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/refunds/' });
    expect(await stage.deliver({ ...released })).toBe('parked');
    stage.fake.setFault(null);
    await until(async () => (await stage.stored(released))?.state === 'ignored');
    expect(await stage.balanceOf(userId)).toBe(333);
  });

  test('takes nothing for what was told before it was known for a release', async () => {
    const { userId, events } = await capturePartAndGrant(400, 'acacia');
    const released = first({ events });
    expect(await stage.deliver({ ...released })).toBe('ignored');
    stage.fake.store.forget(released.data.object.id);
    const older = { ...without(released, 'pending'), created: released.created - 1 };
    expect(await stage.deliver(older)).toBe('done');
    expect(await stage.balanceOf(userId)).toBe(400);
  });

  /** It took credits, since Stripe did not say then what it is. */
  async function mistake() {
    const payment = await capturePartAndGrant(400, 'acacia');
    const released = first(payment);
    const record = stage.fake.store.need('refund', released.data.object.id);
    stage.fake.store.forget(record.id);
    expect(await stage.deliver(without(released, 'pending'))).toBe('done');
    expect(await stage.balanceOf(payment.userId)).toBe(0);
    stage.fake.store.save(record);
    return { ...payment, released };
  }

  test('gives back what it took, once it is told for what it is', async () => {
    const { userId, released } = await mistake();
    expect(await stage.deliver({ ...released })).toBe('done');
    expect(await stage.balanceOf(userId)).toBe(400);
  });

  test('gives back what it took, when reconciling finds it', async () => {
    const { userId, released } = await mistake();
    forgetEvents(stage);
    const { findings } = await reconcileOn(stage, { apply: true });
    const { id } = released.data.object;
    expect(findings.filter(({ kind }) => kind === 'refund-differs')).toMatchObject([
      { object: id, user: userId, repaired: true },
    ]);
    expect(await stage.balanceOf(userId)).toBe(400);
    expect(await reconcileOn(stage)).toMatchObject({ findings: [], problems: [] });
  });
});

describe('a real refund', () => {
  test.each(['pending', 'succeeded'])('takes its credits without a transaction, %s', async (as) => {
    const { userId, intent } = await pay();
    const refunded = first(stage.fake.refundPayment(intent, { amount: 400 }));
    expect(await stage.deliver(without(refunded, as))).toBe('done');
    expect(await stage.balanceOf(userId)).toBe(600);
  });

  test('that comes so before its payment takes its credits, once that has come', async () => {
    const { userId, id, intent } = authorize();
    stage.fake.capturePayment(intent);
    const refunded = without(first(stage.fake.refundPayment(intent, { amount: 400 })), 'succeeded');
    expect(await stage.deliver(refunded)).toBe('parked');
    await stage.sync(userId, id);
    expect(await stage.balanceOf(userId)).toBe(600);
    await until(async () => (await stage.stored(refunded))?.state === 'done');
  });

  test('of what was captured takes credits beside what was released', async () => {
    const { userId, intent } = await capturePartAndGrant(500, 'acacia');
    expect(await stage.deliver({ ...first(stage.fake.refundPayment(intent)) })).toBe('done');
    expect(await stage.balanceOf(userId)).toBe(0);
  });

  test('of as much as was not captured takes credits', async () => {
    const { userId, intent } = await capturePartAndGrant(500, 'current');
    const refunded = first(stage.fake.refundPayment(intent, { amount: 500 }));
    expect(await stage.deliver({ ...refunded })).toBe('done');
    expect(await stage.balanceOf(userId)).toBe(0);
  });

  test('of as much as was not captured waits until its money tells what it is', async () => {
    const { userId, id, intent } = await capturePartAndGrant(500, 'current');
    const { object, events } = stage.fake.refundPayment(intent, { amount: 500, status: 'pending' });
    const refunded = first({ events });
    expect(await stage.deliver({ ...refunded })).toBe('parked');
    expect(await stage.balanceOf(userId)).toBe(500);
    expect((await reconcileOn(stage)).findings).toContainEqual(
      expect.objectContaining({ kind: 'clawed-back-differs', object: id, user: userId }),
    );
    stage.fake.settleRefund(object.id, 'succeeded');
    await until(async () => (await stage.stored(refunded))?.state === 'done');
    expect(await stage.balanceOf(userId)).toBe(0);
  });

  test('that was taken for a release takes credits, once its money tells', async () => {
    const { userId, intent } = await capturePartAndGrant(500, 'current');
    const refunded = first(stage.fake.refundPayment(intent, { amount: 500 }));
    const record = stage.fake.store.need('refund', refunded.data.object.id);
    stage.fake.store.save({ ...record, balanceTransaction: null });
    expect(await stage.deliver({ ...refunded })).toBe('ignored');
    expect(await stage.balanceOf(userId)).toBe(500);
    stage.fake.store.save(record);
    expect(await stage.deliver({ ...refunded, id: fresh('evt') })).toBe('done');
    expect(await stage.balanceOf(userId)).toBe(0);
  });

  test('is on file before Stripe is asked: its grant that comes meanwhile gives what is left', async () => {
    const { userId, id, intent } = authorize();
    stage.fake.capturePayment(intent);
    const refunded = first(stage.fake.refundPayment(intent, { amount: 400 }));
    stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/refunds' });
    expect(await stage.deliver({ ...refunded })).toBe('parked');
    expect((await stage.stored(refunded))?.waits_for).toContain('stripe_api');
    await stage.sync(userId, id);
    expect(await stage.balanceOf(userId)).toBe(600);
    stage.fake.setFault(null);
    await until(async () => (await stage.stored(refunded))?.state === 'done');
    expect(await stage.balanceOf(userId)).toBe(600);
  });

  test.each(['pending', 'succeeded'] as const)(
    'that is listed for what its charge told before the capture takes its credits, %s',
    async (status) => {
      const { userId, intent, events } = await capturePartAndGrant(400, 'acacia');
      stage.fake.refundPayment(intent, { amount: 300, status });
      const released = first({ events }, 'charge.refunded');
      expect(released.data.object).toMatchObject({ captured: false });
      expect(released.data.object).not.toHaveProperty('refunds');
      expect(await stage.deliver({ ...released })).toBe('done');
      expect(await stage.balanceOf(userId)).toBe(100);
    },
  );

  test('on file beside another that Stripe must tell of takes its credits, too', async () => {
    const { userId, id, intent } = authorize();
    const released = stage.fake.capturePayment(intent, 400, 'acacia');
    const refunded = stage.fake.refundPayment(intent, { amount: 200 });
    const refunds = [refunded, released].map((one) => first(one).data.object);
    const charged = holding(first(refunded, 'charge.refunded'), refunds);
    stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/refunds/' });
    expect(await stage.deliver({ ...charged })).toBe('parked');
    await stage.sync(userId, id);
    expect(await stage.balanceOf(userId)).toBe(0);
    stage.fake.setFault(null);
    await until(async () => (await stage.stored(charged))?.state === 'done');
    expect(await stage.balanceOf(userId)).toBe(200);
  });

  /** A release of Purser recorded the payments so that did not know what they had cost. */
  const forgetTotals = () => stage.db.sql('UPDATE stripe_payments SET amount_total = NULL');

  test.each([
    ['of all that was paid', 1000, 'refund.created'],
    ['of a part, told by its charge,', 400, 'charge.refunded'],
  ])('%s asks Stripe nothing, though its payment has no total', async (_, amount, type) => {
    const { userId, intent } = await pay();
    await forgetTotals();
    const { object: refund, events } = stage.fake.refundPayment(intent, { amount });
    const refunded = first({ events }, type);
    const before = stage.fake.requests();
    expect(await stage.deliver(holding(refunded, [refund]))).toBe('done');
    expect(stage.fake.requests()).toBe(before);
    expect(await stage.balanceOf(userId)).toBe(1000 - amount);
  });

  test('of an invoice, which is paid in full, asks Stripe nothing', async () => {
    const about = { userId: fresh('user'), customer: fresh('cus'), subscription: fresh('sub') };
    const paid = stage.fake.payInvoice({ ...about, lines: [{ price: 'price_pack' }] });
    const { paymentIntent } = stage.fake.store.need('invoice', paid.data.object.id);
    const [told] = stage.fake.events().filter(({ type, data }) => {
      return type === 'invoice_payment.paid' && data.object['invoice'] === paid.data.object.id;
    });
    if (!told) throw new Error('nothing tells how the invoice was paid');
    for (const event of [paid, told]) await stage.deliver({ ...event });
    await forgetTotals();
    const refunded = first(stage.fake.refundPayment(String(paymentIntent), { amount: 400 }));
    const before = stage.fake.requests();
    expect(await stage.deliver({ ...refunded })).toBe('done');
    expect(stage.fake.requests()).toBe(before);
    expect(await stage.balanceOf(about.userId)).toBe(600);
  });

  test('of a payment that is on record asks Stripe nothing', async () => {
    const { intent } = await pay();
    const refunded = first(stage.fake.refundPayment(intent, { amount: 400 }));
    const before = stage.fake.requests();
    expect(await stage.deliver({ ...refunded })).toBe('done');
    expect(stage.fake.requests()).toBe(before);
  });
});
