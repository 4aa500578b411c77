import { expect, test } from 'vitest';
import { createPaid, fresh, missing, NOON, PAID, stage, useReversalStage } from './harness.ts';

useReversalStage();

test.each(['pending', 'requires_action', 'succeeded'])(
  'a refund that is %s is live',
  async (status) => {
    const payment = await createPaid();
    const event = payment.refund(fresh('re'), PAID / 2, status, 'refund.created');
    expect(await stage.deliver(event)).toBe('done');
    expect(await missing(payment)).toBe(500);
  },
);

test.each([
  ['funds_reinstated', 'under_review'],
  ['closed', 'won'],
  ['closed', 'warning_closed'],
  ['closed', 'charge_refunded'],
  ['closed', 'prevented'],
])('a dispute is over by %s, with the status %s', async (type, status) => {
  const payment = await createPaid();
  const id = fresh('dp');
  await stage.deliver(payment.dispute(id, PAID, 'funds_withdrawn', 'needs_response', NOON));
  expect(await missing(payment)).toBe(1000);
  await stage.deliver(payment.dispute(id, PAID, type, status, NOON + 1));
  expect(await missing(payment)).toBe(0);
});

test.each([
  ['won', 0],
  ['lost', 1000],
] as const)(
  'of a dispute that is %s in the second in which it took the money, Stripe says the end',
  async (end, gone) => {
    for (const order of ['told in order', 'told the other way round']) {
      const payment = await createPaid();
      const { object, events } = stage.fake.openDispute(
        String(payment.paid.data.object['payment_intent']),
      );
      const withdrawn = events.filter(({ type }) => type === 'charge.dispute.funds_withdrawn');
      const { events: ending } = stage.fake.closeDispute(object.id, end);
      const told = [...withdrawn, ...ending].map((event) => ({ ...event, created: NOON }));
      for (const event of order === 'told in order' ? told : told.toReversed()) {
        await stage.deliver(event);
      }
      expect(await missing(payment), order).toBe(gone);
    }
  },
);
