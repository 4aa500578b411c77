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

test.each([
  ['created', 'warning_needs_response'],
  ['created', 'needs_response'],
  ['updated', 'warning_under_review'],
])(
  'a dispute is on file for operators when it is %s, as %s: no money moved',
  async (type, status) => {
    const payment = await createPaid();
    const id = fresh('dp');
    const event = payment.dispute(id, PAID, type, status);
    expect(await stage.deliver(event)).toBe('done');
    expect((await stage.stored(event))?.reason).toBe('it is on file; no money has moved');
    const filed = await stage.db.sql(
      'SELECT kind, amount, status, live FROM stripe_reversals WHERE id = $1',
      [id],
    );
    expect(filed).toEqual([{ kind: 'dispute', amount: PAID, status, live: false }]);
    expect(await missing(payment)).toBe(0);
  },
);

test.each([
  ['funds_withdrawn', 'needs_response', 1000],
  ['closed', 'lost', 1000],
  ['closed', 'won', 0],
] as const)(
  'what charge.dispute.%s, as %s, decided of a dispute stays so, whatever else is told',
  async (...decided) => {
    const [type, status, gone] = decided;
    const payment = await createPaid();
    const id = fresh('dp');
    const withdrawn = payment.dispute(id, PAID, 'funds_withdrawn', 'needs_response', NOON - 2);
    await stage.deliver(payment.dispute(id, PAID, type, status, NOON));
    for (const other of [
      payment.dispute(id, PAID, 'created', 'needs_response', NOON - 3),
      withdrawn,
      payment.dispute(id, PAID, 'created', 'needs_response', NOON),
      payment.dispute(id, PAID, 'updated', 'under_review', NOON + 1),
    ]) {
      expect(await stage.deliver(other)).toBe('done');
      // Whatever settles the payment again reads what is on file.
      expect(await stage.deliver({ ...payment.paid, id: fresh('evt') })).toBe('done');
      expect(await missing(payment), other.type).toBe(gone);
    }
  },
);

test('a dispute that is closed in a status that Stripe adds later stays as it was decided', async () => {
  const payment = await createPaid();
  const id = fresh('dp');
  const told = [
    payment.dispute(id, PAID, 'created', 'needs_response', NOON),
    payment.dispute(id, PAID, 'closed', 'pondered', NOON + 1),
    payment.dispute(id, PAID, 'funds_withdrawn', 'needs_response', NOON + 2),
    payment.dispute(id, PAID, 'closed', 'pondered', NOON + 3),
  ];
  const gone: number[] = [];
  for (const event of told) {
    expect(await stage.deliver(event)).toBe('done');
    gone.push(await missing(payment));
  }
  expect(gone).toEqual([0, 0, 1000, 1000]);
});

test('a dispute that was lost may be won later, also when the loss is told last', async () => {
  const payment = await createPaid();
  const id = fresh('dp');
  await stage.deliver(payment.dispute(id, PAID, 'closed', 'won', NOON + 60));
  await stage.deliver(payment.dispute(id, PAID, 'closed', 'lost', NOON));
  expect(await missing(payment)).toBe(0);
});
