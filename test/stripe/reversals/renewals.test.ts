import { describe, expect, test } from 'vitest';
import { until } from '../../support/stripe.ts';
import { fresh, missing, stage, useReversalStage } from './harness.ts';

useReversalStage();

describe.each(['current', 'acacia'] as const)('in %s, what goes back of a renewal', (shape) => {
  /** A renewal that was paid and refunded, and what tells of it in this shape. */
  function renew() {
    const { fake } = stage;
    const [userId, customer] = [fresh('user'), fresh('cus')];
    const { events } = fake.subscribe({ userId, customer, price: 'price_pack' });
    const find = (told: typeof events, type: string) => {
      const event = told.find((one) => one.type === type);
      if (!event) throw new Error(`nothing tells of ${type}`);
      return fake.inShape(event, shape);
    };
    const paid = find(events, 'invoice.paid');
    const charge = fake.store.need('invoice', paid.data.object.id).charge ?? '';
    // From basil on the invoice names no payment; its invoice payment does.
    const named = shape === 'current' ? [find(events, 'invoice_payment.paid')] : [];
    const refund = find(fake.refundPayment(charge).events, 'refund.created');
    return { userId, told: [paid, ...named], refund, charge };
  }

  test('finds its invoice by what its events told, and asks Stripe nothing', async () => {
    const { userId, told, refund } = renew();
    for (const event of told) expect(await stage.deliver(event)).toBe('done');
    const before = stage.fake.requests();
    expect(await stage.deliver(refund)).toBe('done');
    expect(stage.fake.requests()).toBe(before);
    expect(await missing({ userId })).toBe(1000);
  });

  test('comes before its invoice is told, and waits under its names', async () => {
    const { userId, told, refund } = renew();
    expect(await stage.deliver(refund)).toBe('parked');
    const { charge, payment_intent: intent } = refund.data.object;
    const causes = [intent, charge].map((name) => `payment:${name}`);
    expect((await stage.stored(refund))?.waits_for).toEqual(expect.arrayContaining(causes));
    for (const event of told) expect(await stage.deliver(event)).toBe('done');
    await until(async () => (await stage.stored(refund))?.state === 'done');
    expect(await missing({ userId })).toBe(1000);
  });

  test('may name no more than its charge, as what was paid without a payment intent', async () => {
    const { userId, told, refund, charge } = renew();
    const without = ({ data, ...event }: (typeof told)[number]) => {
      const isNamed = 'payment' in data.object;
      const payment = isNamed ? { payment: { type: 'charge', charge } } : {};
      const object = { ...data.object, payment_intent: null, ...payment };
      return { ...event, data: { object } };
    };
    for (const event of told) expect(await stage.deliver(without(event))).toBe('done');
    const before = stage.fake.requests();
    expect(await stage.deliver(without(refund))).toBe('done');
    expect(stage.fake.requests()).toBe(before);
    expect(await missing({ userId })).toBe(1000);
  });
});
