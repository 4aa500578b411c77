import { describe, expect, test } from 'vitest';
import { retryEvent } from '../../../src/stripe/reconcile/ignored-events.ts';
import { isInOrder } from '../../../src/stripe/reconcile/report.ts';
import {
  buyPack,
  forgetEvents,
  fresh,
  passBy,
  reconcileOn,
  stage,
  useReconcileStage,
} from '../../support/reconcile.ts';
import { publishPrices } from '../../support/stripe.ts';

useReconcileStage();

const apply = () => reconcileOn(stage, { apply: true });

/** A granted renewal and its refund, of which Stripe does not say what it is of. */
async function refundRenewal() {
  const [userId, subscription, paymentIntent] = [fresh('user'), fresh('sub'), fresh('pi')];
  const lines = [{ price: 'price_pack' }];
  await stage.deliver(stage.fake.payInvoice({ userId, subscription, paymentIntent, lines }));
  const { object, events } = stage.fake.refundPayment(paymentIntent);
  forgetEvents(stage);
  stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/invoice_payments' });
  return { userId, paymentIntent, object, events };
}

describe('what could not be repaired is tried again, though the cursor went past it', () => {
  test('a payment whose price is not known yet', async () => {
    const price = fresh('price');
    const { userId, session } = buyPack(stage, { price });
    forgetEvents(stage);
    const finding = { kind: 'paid-but-not-granted', object: session, user: userId };
    const why = `its event never arrived; unknown price ${price}`;
    const left = { ...finding, why, done: `tried, but unknown price ${price}`, repaired: false };
    expect((await apply()).findings).toMatchObject([left]);
    await passBy(stage);
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
    forgetEvents(stage);
    expect((await apply()).findings).toMatchObject([{ done: 'tried, but unknown user' }]);
    await passBy(stage);
    const linking = { userId, customer, subscription, mode: 'subscription' } as const;
    const { id } = stage.fake.createSession({ ...linking, lines: [{ price: 'price_seat' }] });
    await stage.deliver(stage.fake.completeSession(id));
    expect(await apply()).toMatchObject({ left: 0 });
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('a payment whose lines could not be asked for', async () => {
    const { userId, session } = buyPack(stage);
    forgetEvents(stage);
    const path = `/v1/checkout/sessions/${session}/line_items`;
    stage.fake.setFault({ kind: 'error', status: 500, path });
    expect(await apply()).toMatchObject({ left: 1 });
    stage.fake.setFault(null);
    await passBy(stage);
    expect(await apply()).toMatchObject({ repaired: 1, left: 0 });
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('a refund that is on file, whose payment could not be asked for', async () => {
    const { userId, paymentIntent, object } = await refundRenewal();
    const done = "tried, but Stripe's API cannot be reached";
    expect((await apply()).findings).toMatchObject([{ object: object.id, done, repaired: false }]);
    expect(await stage.balanceOf(userId)).toBe(100);
    stage.fake.setFault(null);
    await passBy(stage);
    const why = `of ${paymentIntent}: on file, but not settled`;
    expect((await apply()).findings).toMatchObject([{ object: object.id, why, repaired: true }]);
    expect(await stage.balanceOf(userId)).toBe(0);
    expect(await apply()).toMatchObject({ found: 0 });
  });
});

test('a dry run tells what was left before, and writes nothing', async () => {
  buyPack(stage, { price: fresh('price') });
  forgetEvents(stage);
  await apply();
  await passBy(stage);
  const left = () => stage.db.sql('SELECT * FROM stripe_findings');
  const before = await left();
  expect(await reconcileOn(stage)).toMatchObject({ found: 1, left: 1 });
  expect(await left()).toEqual(before);
});

test('a dry run does not tell what was left before and was settled since', async () => {
  const { userId, events } = await refundRenewal();
  expect(await apply()).toMatchObject({ left: 1 });
  stage.fake.setFault(null);
  await passBy(stage);
  expect(await reconcileOn(stage)).toMatchObject({ left: 1 });
  for (const event of events) await stage.deliver(event);
  expect(await stage.balanceOf(userId)).toBe(0);
  expect(await reconcileOn(stage)).toMatchObject({ found: 0 });
});

test('what its event has set right meanwhile is left no more', async () => {
  const price = fresh('price');
  const { userId, events } = buyPack(stage, { price });
  forgetEvents(stage);
  await apply();
  await passBy(stage);
  await publishPrices(stage.db, new Map([[price, 70]]));
  for (const event of events) await stage.deliver(event);
  expect(await stage.balanceOf(userId)).toBe(70);
  expect(await apply()).toMatchObject({ found: 0, left: 0 });
  expect(await stage.db.sql('SELECT FROM stripe_findings')).toEqual([]);
});

test('an event that names no user is done once its payment was granted to one', async () => {
  const [userId, lines] = [fresh('user'), [{ price: 'price_pack' }]];
  const { id } = stage.fake.createSession({ lines });
  const { events } = stage.fake.paySession(id);
  for (const event of events) await stage.deliver(event);
  const [event = { id: '' }] = events.filter(({ type }) => type === 'checkout.session.completed');
  expect(await stage.stored(event)).toMatchObject({ state: 'parked', reason: 'unknown user' });
  const record = stage.fake.store.need('checkout.session', id);
  stage.fake.store.save({ ...record, metadata: { user_id: userId } });
  expect(await apply()).toMatchObject({ repaired: 1, left: 0 });
  expect(await retryEvent(stage.db.pool, { id: event.id, note: null })).toBeNull();
  expect(await apply()).toMatchObject({ found: 0 });
  const done = { state: 'done', reason: 'it had been granted before' };
  expect(await stage.stored(event)).toMatchObject(done);
  expect(await stage.balanceOf(userId)).toBe(100);
});

test('credits without a payment are told however old they are, until they are paid', async () => {
  const { session, events } = buyPack(stage);
  for (const event of events) await stage.deliver(event);
  const record = stage.fake.store.need('checkout.session', session);
  stage.fake.store.save({ ...record, paymentStatus: 'unpaid' });
  const finding = { kind: 'granted-but-not-paid', object: session, why: 'Stripe says unpaid' };
  expect((await apply()).findings).toMatchObject([finding]);
  await passBy(stage);
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
    forgetEvents(stage);
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
    forgetEvents(stage);
    const why = "the refund's status pondering is not known";
    const finding = { kind: 'refund-missing', object: id, why, done: null };
    expect((await apply()).findings).toMatchObject([finding]);
    await passBy(stage);
    expect((await apply()).findings).toMatchObject([finding]);
  });
});

test('what is gone at Stripe is told until somebody decides', async () => {
  const { session } = buyPack(stage, { price: fresh('price') });
  forgetEvents(stage);
  await apply();
  await passBy(stage);
  stage.fake.store.forget(session);
  const why = "Stripe's API answers 404 resource_missing";
  for (const _ of ['once', 'and again']) {
    expect((await apply()).findings).toMatchObject([{ object: session, why, done: null }]);
  }
});
