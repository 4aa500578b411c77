import { expect, test } from 'vitest';
import {
  buyPack,
  forgetEvents,
  fresh,
  reconcileOn,
  stage,
  useReconcileStage,
} from '../../support/reconcile.ts';
import { payTwo } from '../payments/shared-intent.ts';

// A server that dies after it has filed a fact has not settled its payment.

useReconcileStage();

/** What a server files that dies then: a refund, so long ago. */
const fileRefund = (name: string, amount: number, age: string) =>
  stage.db.sql(
    `INSERT INTO stripe_reversals (id, kind, payment_name, amount, currency, status, live,
                                   decided_at, recorded_at)
     VALUES ($1, 'refund', $2, $3, 'usd', 'succeeded', true, now() - $4::interval,
             now() - $4::interval)`,
    [fresh('re'), name, amount, age],
  );

const ages = [
  ['today', '0 days'],
  ['long before its payment', '60 days'],
] as const;

test.each(ages)(
  'credits that are not clawed back as what is on file says: since %s',
  async (_, age) => {
    const { userId, session, intent, events } = buyPack(stage);
    for (const event of events) await stage.deliver(event);
    await fileRefund(intent, 30, age);
    expect((await reconcileOn(stage)).findings).toMatchObject([
      { kind: 'clawed-back-differs', object: session, user: userId, credits: -30 },
    ]);
    expect(await reconcileOn(stage, { apply: true })).toMatchObject({ repaired: 1, left: 0 });
    expect(await stage.balanceOf(userId)).toBe(70);
  },
);

test.each(ages)('of each invoice that its payment intent paid: since %s', async (_, age) => {
  const userId = fresh('user');
  const { first, second, paymentIntent } = payTwo(stage, userId);
  for (const { paid, named } of [first, second]) {
    for (const event of [paid, named]) await stage.deliver(event);
  }
  await fileRefund(paymentIntent, 1000, age);
  const both = [first, second].map(({ paid }) => paid.data.object.id);
  const { findings } = await reconcileOn(stage);
  expect(findings).toMatchObject(both.map(() => ({ user: userId, credits: -500 })));
  expect(findings.map(({ object }) => object).toSorted()).toEqual(both.toSorted());
  expect(await reconcileOn(stage, { apply: true })).toMatchObject({ left: 0 });
  expect(await stage.leftOfGrants(userId)).toEqual([500, 500]);
});

test('of all that a payment intent paid, when a note of one tells what of a refund is its', async () => {
  const userId = fresh('user');
  const { first, second, paymentIntent } = payTwo(stage, userId);
  const { object: refund, events } = stage.fake.refundPayment(paymentIntent, { amount: 1000 });
  for (const event of [first.paid, first.named, second.paid, second.named, ...events]) {
    await stage.deliver({ ...event });
  }
  const [one, other] = [first, second].map(({ paid }) => String(paid.data.object.id));
  await stage.db.sql(
    `UPDATE stripe_payments SET recorded_at = now() - interval '60 days'
      WHERE payment = ANY($1::text[])`,
    [[one, other]],
  );
  await stage.db.sql(
    `UPDATE stripe_reversals
        SET recorded_at = now() - interval '60 days', decided_at = now() - interval '60 days'
      WHERE id = $1`,
    [refund.id],
  );
  await stage.db.sql(
    `INSERT INTO stripe_reversals (id, kind, payment_name, amount, currency, status, live,
                                   decided_at, refund_amounts)
     VALUES ($1, 'credit_note', $2, 0, 'usd', 'issued', true, now(), $3)`,
    [fresh('cn'), other, { [refund.id]: 1000 }],
  );
  const { findings } = await reconcileOn(stage);
  expect(findings.map(({ object, credits }) => [object, credits]).toSorted()).toEqual(
    [
      [one, 500],
      [other, -500],
    ].toSorted(),
  );
  expect(await reconcileOn(stage, { apply: true })).toMatchObject({ left: 0 });
  expect(await stage.leftOfGrants(userId)).toEqual([1000, 0]);
});

test('as many credits as should be clawed back, but of the wrong line', async () => {
  const { fake, deliver, leftOfGrants } = stage;
  const userId = fresh('user');
  const pack = { price: 'price_pack' };
  const paid = fake.payInvoice({
    ...{ userId, customer: fresh('cus'), subscription: fresh('sub') },
    lines: [pack, pack],
  });
  const { id: invoice, lines } = fake.store.need('invoice', String(paid.data.object.id));
  const line = String(lines[0]?.id);
  const note = fake.issueCreditNote(invoice, { lines: [{ line, amount: 100 }] });
  const refunded = note.events.filter(({ type }) => type.startsWith('refund'));
  for (const event of [paid, ...refunded]) await deliver(event);
  expect(await leftOfGrants(userId)).toEqual([50, 50]);
  const [refund] = refunded;
  await stage.db.sql(
    `INSERT INTO stripe_reversals (id, kind, payment_name, amount, currency, status, live,
                                   decided_at, line_amounts, refund_amounts)
     VALUES ($1, 'credit_note', $2, 0, 'usd', 'issued', true, now(), $3, $4)`,
    [note.object.id, invoice, { [line]: 100 }, { [String(refund?.data.object.id)]: 100 }],
  );
  forgetEvents(stage);
  expect((await reconcileOn(stage)).findings).toMatchObject([
    {
      ...{ kind: 'clawed-back-differs', object: invoice, user: userId, credits: 0 },
      why: 'the 100 credits that are clawed back should come from other lines of it',
    },
  ]);
  expect(await reconcileOn(stage, { apply: true })).toMatchObject({ repaired: 1, left: 0 });
  expect(await leftOfGrants(userId)).toEqual([0, 100]);
});

test('of many payments, though much has gone back before', async () => {
  await stage.db.sql(
    `INSERT INTO stripe_payments (payment, amount_paid, amount_total, currency, outcome, reason)
     SELECT 'in_idle_' || i, 1000, 1000, 'usd', 'nothing', 'it is a test'
       FROM generate_series(1, 500) AS i`,
  );
  await stage.db.sql(
    `INSERT INTO stripe_reversals (id, kind, payment_name, amount, currency, status, live,
                                   decided_at, recorded_at)
     SELECT 're_old_' || i, 'refund', 'pi_old_' || i, 1, 'usd', 'succeeded', true,
            now() - interval '60 days', now() - interval '60 days'
       FROM generate_series(1, 60000) AS i`,
  );
  expect((await reconcileOn(stage)).findings).toEqual([]);
});
