import { describe, expect, test } from 'vitest';
import { isInOrder } from '../../../src/stripe/reconcile/report.ts';
import { buyPack, fresh, reconcileOn, stage, useReconcileStage } from '../../support/reconcile.ts';
import { publishPrices } from '../../support/stripe.ts';

useReconcileStage();

const apply = () => reconcileOn(stage, { apply: true });

/** Stripe forgets its events, as it does after 30 days, but not what they told of. */
function forgetEvents(): void {
  stage.fake.advance(31 * 86_400);
}

/** Time goes by: what was created before lies behind the cursor, and no list shows it any more. */
function passBy() {
  return stage.db.sql(
    `UPDATE stripe_reconcile
        SET objects_seen_until = now() + interval '2 days', looked_back_at = now()`,
  );
}

describe('what could not be repaired is tried again, though the cursor went past it', () => {
  test('a payment whose price is not known yet', async () => {
    const price = fresh('price');
    const { userId, session } = buyPack(stage, { price });
    forgetEvents();
    const finding = { kind: 'paid-but-not-granted', object: session, user: userId };
    const why = `its event never arrived; unknown price ${price}`;
    const left = { ...finding, why, done: `tried, but unknown price ${price}`, repaired: false };
    expect((await apply()).findings).toMatchObject([left]);
    await passBy();
    for (const _ of ['once', 'and again']) {
      const report = await apply();
      expect(report).toMatchObject({ findings: [left], counts: { sessions: 0 }, problems: [] });
      expect(isInOrder(report)).toBe(false);
    }
    await publishPrices(stage.db, new Map([[price, 70]]));
    expect((await apply()).findings).toMatchObject([{ ...finding, done: 'done', repaired: true }]);
    expect(await stage.balanceOf(userId)).toBe(70);
    expect(await apply()).toMatchObject({ findings: [], problems: [] });
  });

  test('a payment whose user is not known yet', async () => {
    const [userId, customer, subscription] = [fresh('user'), fresh('cus'), fresh('sub')];
    const lines = [{ price: 'price_pack' }];
    stage.fake.paySession(stage.fake.createSession({ customer, lines }).id);
    forgetEvents();
    expect((await apply()).findings).toMatchObject([{ done: 'tried, but unknown user' }]);
    await passBy();
    const linking = { userId, customer, subscription, mode: 'subscription' } as const;
    const { id } = stage.fake.createSession({ ...linking, lines: [{ price: 'price_seat' }] });
    await stage.deliver(stage.fake.completeSession(id));
    expect(await apply()).toMatchObject({ left: 0 });
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('a payment whose lines could not be asked for', async () => {
    const { userId, session } = buyPack(stage);
    forgetEvents();
    const path = `/v1/checkout/sessions/${session}/line_items`;
    stage.fake.setFault({ kind: 'error', status: 500, path });
    expect(await apply()).toMatchObject({ left: 1 });
    stage.fake.setFault(null);
    await passBy();
    expect(await apply()).toMatchObject({ repaired: 1, left: 0 });
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('a refund that is on file, whose payment could not be asked for', async () => {
    const [userId, subscription, paymentIntent] = [fresh('user'), fresh('sub'), fresh('pi')];
    const lines = [{ price: 'price_pack' }];
    await stage.deliver(stage.fake.payInvoice({ userId, subscription, paymentIntent, lines }));
    const { object } = stage.fake.refundPayment(paymentIntent);
    forgetEvents();
    stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/invoice_payments' });
    const done = "tried, but Stripe's API cannot be reached";
    expect((await apply()).findings).toMatchObject([{ object: object.id, done, repaired: false }]);
    expect(await stage.balanceOf(userId)).toBe(100);
    stage.fake.setFault(null);
    await passBy();
    const why = `of ${paymentIntent}: on file, but not settled`;
    expect((await apply()).findings).toMatchObject([{ object: object.id, why, repaired: true }]);
    expect(await stage.balanceOf(userId)).toBe(0);
    expect(await apply()).toMatchObject({ found: 0 });
  });
});

test('a dry run tells what was left before, and writes nothing', async () => {
  buyPack(stage, { price: fresh('price') });
  forgetEvents();
  await apply();
  await passBy();
  const left = () => stage.db.sql('SELECT * FROM stripe_findings');
  const before = await left();
  expect(await reconcileOn(stage)).toMatchObject({ found: 1, left: 1 });
  expect(await left()).toEqual(before);
});

test('what its event has set right meanwhile is left no more', async () => {
  const price = fresh('price');
  const { userId, events } = buyPack(stage, { price });
  forgetEvents();
  await apply();
  await passBy();
  await publishPrices(stage.db, new Map([[price, 70]]));
  for (const event of events) await stage.deliver(event);
  expect(await stage.balanceOf(userId)).toBe(70);
  expect(await apply()).toMatchObject({ found: 0, left: 0 });
  expect(await stage.db.sql('SELECT FROM stripe_findings')).toEqual([]);
});

test('credits without a payment are told however old they are, until they are paid', async () => {
  const { session, events } = buyPack(stage);
  for (const event of events) await stage.deliver(event);
  const record = stage.fake.store.need('checkout.session', session);
  stage.fake.store.save({ ...record, paymentStatus: 'unpaid' });
  const finding = { kind: 'granted-but-not-paid', object: session, why: 'Stripe says unpaid' };
  expect((await apply()).findings).toMatchObject([finding]);
  await passBy();
  expect((await apply()).findings).toMatchObject([finding]);
  stage.fake.store.save(record);
  expect(await apply()).toMatchObject({ found: 0 });
  expect(await stage.db.sql('SELECT FROM stripe_findings')).toEqual([]);
});

describe('what no rule can read is told, not passed over', () => {
  test('a paid invoice', async () => {
    const [userId, subscription, billingReason] = [fresh('user'), fresh('sub'), 'solstice'];
    const lines = [{ price: 'price_pack' }];
    const { data } = stage.fake.payInvoice({ userId, subscription, billingReason, lines });
    forgetEvents();
    const unknown = 'billing_reason solstice is not known';
    const why = expect.stringContaining(`its event never arrived; ${unknown}`);
    const finding = { kind: 'paid-but-not-granted', object: data.object.id, why };
    expect((await reconcileOn(stage)).findings).toMatchObject([finding]);
    const done = expect.stringContaining(`tried, but ${unknown}`);
    expect((await apply()).findings).toMatchObject([{ ...finding, done, repaired: false }]);
  });

  test('a refund', async () => {
    const { intent, events } = buyPack(stage);
    for (const event of events) await stage.deliver(event);
    const { id } = stage.fake.refundPayment(intent).object;
    const pondering = { ...stage.fake.store.need('refund', id), status: 'pondering' };
    stage.fake.store.save(pondering as never);
    forgetEvents();
    const why = "the refund's status pondering is not known";
    const finding = { kind: 'refund-missing', object: id, why, done: null };
    expect((await apply()).findings).toMatchObject([finding]);
    await passBy();
    expect((await apply()).findings).toMatchObject([finding]);
  });
});

test('what is gone at Stripe is told until somebody decides', async () => {
  const { session } = buyPack(stage, { price: fresh('price') });
  forgetEvents();
  await apply();
  await passBy();
  stage.fake.store.forget(session);
  const why = "Stripe's API answers 404 resource_missing";
  for (const _ of ['once', 'and again']) {
    expect((await apply()).findings).toMatchObject([{ object: session, why, done: null }]);
  }
});

describe('what is asked for one by one, 500 in a run', () => {
  const MANY = 500;

  test('has its turn: nothing that was left is hidden by what is older', async () => {
    const { userId } = buyPack(stage, { price: 'price_later' });
    forgetEvents();
    await apply();
    await passBy();
    await stage.db.sql(
      `INSERT INTO stripe_findings (object, kind, dated_at, why, looked_at)
       SELECT 'evt_gone_' || n, 'event-missing', now(), 'it never arrived', to_timestamp(n)
         FROM generate_series(1, ${MANY}) AS n`,
    );
    await publishPrices(stage.db, new Map([['price_later', 70]]));
    const more = 'more than 500 findings of earlier runs are open, and not all had their turn';
    expect(await apply()).toMatchObject({ found: MANY, left: MANY, problems: [more] });
    expect(await apply()).toMatchObject({ found: MANY, repaired: 1, problems: [more] });
    expect(await stage.balanceOf(userId)).toBe(70);
  }, 60_000);

  test('has its turn: a dispute that ended, behind others that did not', async () => {
    const { userId, intent, events } = buyPack(stage);
    for (const event of events) await stage.deliver(event);
    const { object, events: opened } = stage.fake.openDispute(intent);
    for (const event of opened) await stage.deliver(event);
    stage.fake.closeDispute(object.id, 'won');
    stage.fake.store.save({
      ...stage.fake.store.need('dispute', object.id),
      created: 1_600_000_000,
    });
    forgetEvents();
    await stage.db.sql(
      `INSERT INTO stripe_reversals (id, kind, payment_name, amount, currency, status, live,
                                     decided_at, recorded_at)
       SELECT 'dp_gone_' || n, 'dispute', 'pi_gone_' || n, 1, 'usd', 'needs_response', false,
              to_timestamp(0), to_timestamp(n)
         FROM generate_series(1, ${MANY}) AS n`,
    );
    expect(await apply()).toMatchObject({ found: 0, problems: [] });
    expect(await apply()).toMatchObject({ found: 1, repaired: 1 });
    expect(await stage.balanceOf(userId)).toBe(100);
  }, 60_000);

  test('does not ask for ever: an end that moved no credits is put on file', async () => {
    const { intent, events } = buyPack(stage);
    for (const event of events) await stage.deliver(event);
    const { object, events: made } = stage.fake.refundPayment(intent, { status: 'pending' });
    for (const event of made) await stage.deliver(event);
    stage.fake.settleRefund(object.id, 'succeeded');
    forgetEvents();
    expect(await apply()).toMatchObject({ found: 0 });
    expect(await stage.db.sql('SELECT status FROM stripe_reversals')).toEqual([
      { status: 'succeeded' },
    ]);
  });
});
