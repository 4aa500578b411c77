import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { until } from '../../support/stripe.ts';
import { createPayment, fresh, missing, NOON, PAID, stage, useReversalStage } from './harness.ts';

useReversalStage();

describe('whatever the order, and however often each event is delivered', () => {
  /** The lives of a payment's refunds and disputes: events, and whether money is gone at the end. */
  const refundLife = fc.record({
    amount: fc.integer({ min: 1, max: PAID }),
    end: fc.constantFrom('pending', 'succeeded', 'failed', 'canceled'),
  });
  const disputeLife = fc.record({
    amount: fc.integer({ min: 1, max: PAID }),
    steps: fc.constantFrom(
      [
        ['created', 'needs_response'],
        ['funds_withdrawn', 'needs_response'],
        ['closed', 'lost'],
      ],
      [
        ['created', 'needs_response'],
        ['funds_withdrawn', 'needs_response'],
        ['funds_reinstated', 'under_review'],
        ['closed', 'won'],
      ],
      [
        ['created', 'warning_needs_response'],
        ['closed', 'warning_closed'],
      ],
      [
        ['funds_withdrawn', 'needs_response'],
        ['closed', 'lost'],
        ['closed', 'won'],
      ],
    ),
  });

  test('the credits that are missing follow from what is live at the end', async () => {
    const cases = fc.record({
      refunds: fc.array(refundLife, { maxLength: 3 }),
      disputes: fc.array(disputeLife, { maxLength: 2 }),
      order: fc.infiniteStream(fc.nat()),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ refunds, disputes, order }) => {
        const payment = createPayment();
        const events: { readonly id: string }[] = [payment.paid];
        let gone = 0;
        for (const { amount, end } of refunds) {
          const id = fresh('re');
          events.push(payment.refund(id, amount, 'pending', 'refund.created'));
          events.push(payment.refund(id, amount, end));
          if (end === 'pending' || end === 'succeeded') gone += amount;
        }
        for (const { amount, steps } of disputes) {
          const id = fresh('dp');
          for (const [i, [what = '', status = '']] of steps.entries()) {
            events.push(payment.dispute(id, amount, what, status, NOON + i));
          }
          if (steps.at(-1)?.[1] === 'lost') gone += amount;
        }
        const shuffled = [...events, ...events]
          .map((event) => ({ event, at: order.next().value as number }))
          .toSorted((a, b) => a.at - b.at);
        for (const { event } of shuffled) await stage.deliver(event);
        for (const event of events) {
          await until(async () => (await stage.stored(event))?.state === 'done');
        }
        expect(await missing(payment)).toBe(Math.floor((1000 * Math.min(gone, PAID)) / PAID));
      }),
      { numRuns: 25 },
    );
  });
});
