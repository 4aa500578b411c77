import { describe, expect, test } from 'vitest';
import { debit } from '../../support/commands.ts';
import { until } from '../../support/stripe.ts';
import {
  createPaid,
  createPayment,
  fresh,
  missing,
  NOON,
  PAID,
  stage,
  useReversalStage,
} from './harness.ts';

useReversalStage();

describe('a refund', () => {
  test('in full takes all credits of its payment, in part its share, rounded down', async () => {
    const full = await createPaid();
    expect(await stage.deliver(full.refund(fresh('re'), PAID, 'succeeded'))).toBe('done');
    expect(await missing(full)).toBe(1000);
    const part = await createPaid();
    await stage.deliver(part.refund(fresh('re'), 33, 'succeeded'));
    expect(await missing(part)).toBe(330);
    await stage.deliver(part.refund(fresh('re'), 33, 'succeeded'));
    expect(await missing(part)).toBe(660);
  });

  test('is told many times and taken once', async () => {
    const payment = await createPaid();
    const id = fresh('re');
    const told = [
      payment.refund(id, 40, 'pending', 'refund.created'),
      payment.refund(id, 40, 'succeeded'),
      payment.refund(id, 40, 'succeeded', 'charge.refund.updated'),
    ];
    await Promise.all([...told, ...told].map((event) => stage.deliver(event)));
    expect(await missing(payment)).toBe(400);
  });

  test.each([['failed'], ['canceled']])('that is pending and then %s gives back', async (end) => {
    const payment = await createPaid();
    const id = fresh('re');
    await stage.deliver(payment.refund(id, PAID, 'pending', 'refund.created'));
    expect(await missing(payment)).toBe(1000);
    await stage.deliver(payment.refund(id, PAID, end));
    expect(await missing(payment)).toBe(0);
    const late = payment.refund(id, PAID, 'succeeded');
    await stage.deliver({ ...late, created: NOON + 60 });
    expect(await missing(payment)).toBe(0);
  });

  test('that failed is over although its snapshot says succeeded', async () => {
    const payment = await createPaid();
    const id = fresh('re');
    await stage.deliver(payment.refund(id, PAID, 'succeeded', 'refund.created'));
    await stage.deliver(payment.refund(id, PAID, 'succeeded', 'refund.failed'));
    expect(await missing(payment)).toBe(0);
  });

  test('of spent credits leaves a debt: nothing is spent, and the next purchase pays first', async () => {
    const payment = await createPaid();
    const { userId } = payment;
    await stage.ledger.post(debit(userId, 700));
    await stage.deliver(payment.refund(fresh('re'), PAID, 'succeeded'));
    expect(await stage.balanceOf(userId)).toBe(-700);
    expect(await stage.ledger.post(debit(userId, 1))).toMatchObject({ ok: false });
    const { id } = stage.fake.createSession({ userId, lines: [{ price: 'price_pack' }] });
    await stage.deliver(stage.fake.completeSession(id));
    expect(await stage.balanceOf(userId)).toBe(300);
  });

  test.each(['session', 'current', 'acacia'] as const)(
    'takes its share of all that was paid, tax included: %s',
    async (what) => {
      const { fake } = stage;
      const userId = fresh('user');
      const lines = [{ price: 'price_pack', unitAmount: 1000, tax: 250 }];
      const about = { userId, customer: fresh('cus'), subscription: fresh('sub') };
      const session = () => fake.completeSession(fake.createSession({ userId, lines }).id);
      const paid =
        what === 'session' ? session() : fake.payInvoice({ ...about, lines, shape: what });
      expect(await stage.deliver(paid)).toBe('done');
      const { object } = paid.data;
      const intent =
        object['payment_intent'] ?? fake.store.need('invoice', object.id).paymentIntent;
      const { events } = fake.refundPayment(String(intent), { amount: 500 });
      for (const event of events) await stage.deliver({ ...event });
      expect(await missing({ userId })).toBe(400);
    },
  );

  test('in another currency than the payment counts as full', async () => {
    const payment = await createPaid();
    const event = payment.refund(fresh('re'), 1, 'succeeded');
    await stage.deliver({ ...event, data: { object: { ...event.data.object, currency: 'eur' } } });
    expect(await missing(payment)).toBe(1000);
  });

  test('in a status that Stripe adds later is parked, and takes nothing', async () => {
    const payment = await createPaid();
    const event = payment.refund(fresh('re'), PAID, 'pondering');
    expect(await stage.deliver(event)).toBe('parked');
    expect((await stage.stored(event))?.reason).toBe("the refund's status pondering is not known");
    expect(await missing(payment)).toBe(0);
  });

  test('that comes before its payment waits, and is net as soon as the payment is', async () => {
    const payment = createPayment();
    const refund = payment.refund(fresh('re'), 40, 'succeeded');
    expect(await stage.deliver(refund)).toBe('parked');
    expect(await stage.deliver(payment.paid)).toBe('done');
    expect(await missing(payment)).toBe(400);
    await until(async () => (await stage.stored(refund))?.state === 'done');
    expect(await missing(payment)).toBe(400);
  });

  test('of a payment that gave no credits is ignored, with the reason', async () => {
    const payment = createPayment();
    const { object } = payment.paid.data;
    const invoice = stage.fake.payInvoice({
      lines: [{ price: 'price_pack' }],
      paymentIntent: String(object['payment_intent']),
      shape: 'acacia',
    });
    expect(await stage.deliver(invoice)).toBe('ignored');
    const refund = payment.refund(fresh('re'), PAID, 'succeeded');
    expect(await stage.deliver(refund)).toBe('ignored');
    expect((await stage.stored(refund))?.reason).toBe(
      'its payment gave no credits by then: no price of it gives credits on a manual invoice; ' +
        'it is on file for any that come later',
    );
  });
});

describe('charge.refunded of old endpoints', () => {
  test('brings the refunds of its charge, which other events may bring too', async () => {
    const payment = await createPaid();
    const id = fresh('re');
    const refund = payment.refund(id, 40, 'succeeded');
    const refunds = { object: 'list', has_more: false, data: [refund.data.object] };
    const charge = {
      ...{ object: 'charge', id: payment.charge, amount: PAID, amount_refunded: 40, refunds },
      payment_intent: payment.paid.data.object['payment_intent'],
    };
    expect(await stage.deliver(payment.event('charge.refunded', charge))).toBe('done');
    expect(await missing(payment)).toBe(400);
    expect(await stage.deliver(refund)).toBe('done');
    expect(await missing(payment)).toBe(400);
  });

  test.each(['holding its refunds', 'holding the last of them', 'listing them'])(
    'tells a cumulative amount, and each refund of it is taken once: a charge %s',
    async (how) => {
      const payment = await createPaid();
      const intent = String(payment.paid.data.object['payment_intent']);
      const charged = [40, 25].map((amount) => {
        const { object, events } = stage.fake.refundPayment(intent, { amount });
        const event = events.find(({ type }) => type === 'charge.refunded');
        if (!event) throw new Error('nothing tells of the charge');
        return { event: stage.fake.inShape(event, 'acacia'), refund: object };
      });
      const amounts = charged.map(({ event }) => event.data.object['amount_refunded']);
      expect(amounts).toEqual([40, 65]);
      const told = charged.map(({ event }, i) => {
        const first = how === 'holding the last of them' ? i : 0;
        const data = charged.slice(first, i + 1).map(({ refund }) => refund);
        const refunds = how === 'listing them' ? {} : { refunds: { data, has_more: first > 0 } };
        return { ...event, data: { object: { ...event.data.object, ...refunds } } };
      });
      for (const event of [...told.toReversed(), ...told]) {
        expect(await stage.deliver({ ...event, id: fresh('evt') })).toBe('done');
        expect(await missing(payment)).toBe(650);
      }
    },
  );
});

describe('a dispute', () => {
  test('in another currency than the payment counts as full', async () => {
    const payment = await createPaid();
    const event = payment.dispute(fresh('du'), 1, 'closed', 'lost', NOON);
    await stage.deliver({ ...event, data: { object: { ...event.data.object, currency: 'eur' } } });
    expect(await missing(payment)).toBe(1000);
  });

  test('that is only an inquiry, or is opened, moves nothing', async () => {
    const payment = await createPaid();
    const id = fresh('dp');
    for (const [what, status] of [
      ['created', 'warning_needs_response'],
      ['updated', 'warning_under_review'],
      ['closed', 'warning_closed'],
      ['created', 'needs_response'],
    ] as const) {
      expect(await stage.deliver(payment.dispute(id, PAID, what, status))).toBe('done');
    }
    expect(await missing(payment)).toBe(0);
    const early = createPayment().dispute(fresh('dp'), PAID, 'created', 'needs_response');
    expect(await stage.deliver(early)).toBe('done');
  });

  test('takes when its funds are withdrawn, whatever its snapshot says, and gives when won', async () => {
    const payment = await createPaid();
    const id = fresh('dp');
    await stage.deliver(
      payment.dispute(id, PAID, 'funds_withdrawn', 'warning_needs_response', NOON),
    );
    expect(await missing(payment)).toBe(1000);
    await stage.deliver(payment.dispute(id, PAID, 'closed', 'won', NOON + 9));
    await stage.deliver(payment.dispute(id, PAID, 'funds_reinstated', 'won', NOON + 10));
    expect(await missing(payment)).toBe(0);
  });

  test('that was lost and is won later is reinstated', async () => {
    const payment = await createPaid();
    const id = fresh('dp');
    await stage.deliver(payment.dispute(id, 60, 'closed', 'lost', NOON));
    expect(await missing(payment)).toBe(600);
    await stage.deliver(payment.dispute(id, 60, 'closed', 'won', NOON + 1));
    expect(await missing(payment)).toBe(0);
  });

  test('and a refund of one payment take no more than it gave', async () => {
    const payment = await createPaid();
    await stage.deliver(payment.refund(fresh('re'), 60, 'succeeded'));
    await stage.deliver(payment.dispute(fresh('dp'), PAID, 'funds_withdrawn', 'needs_response'));
    expect(await missing(payment)).toBe(1000);
  });
});

test('a deleted customer is forgotten, and what was granted stays', async () => {
  const payment = createPayment();
  const customer = fresh('cus');
  const linked = stage.fake.createSession({
    ...{ userId: payment.userId, customer, mode: 'subscription', subscription: fresh('sub') },
    lines: [{ price: 'price_pack' }],
  });
  await stage.deliver(stage.fake.completeSession(linked.id));
  await stage.deliver(payment.paid);
  const deleted = { id: customer, object: 'customer', deleted: true };
  expect(await stage.deliver(payment.event('customer.deleted', deleted))).toBe('done');
  expect(await stage.balanceOf(payment.userId)).toBe(1000);
  const renewal = { customer, subscription: fresh('sub'), lines: [{ price: 'price_pack' }] };
  expect(await stage.deliver(stage.fake.payInvoice(renewal))).toBe('parked');
});
