import { describe, expect, test } from 'vitest';
import type { Happening } from '../../../packages/fake-stripe/src/life/life.ts';
import { fresh, reconcileOn, stage, useReconcileStage } from '../../support/reconcile.ts';
import { until } from '../../support/stripe.ts';

useReconcileStage();

type Events = Happening['events'];

async function tell(events: Events): Promise<void> {
  for (const event of events) await stage.deliver(event);
}

async function creditsOf(userId: string): Promise<readonly number[]> {
  const { entries } = await stage.ledger.entries(userId, { limit: 100, before: null });
  return entries.map(({ delta }) => delta);
}

/** Reconciling brings the events that were not told, and finds nothing else. */
async function expectInOrder(): Promise<void> {
  const { findings } = await reconcileOn(stage, { apply: true });
  expect(findings.filter(({ kind }) => kind !== 'event-missing')).toEqual([]);
  expect(await reconcileOn(stage)).toMatchObject({ findings: [], problems: [] });
}

describe('a capture of a part', () => {
  /** Someone whose 1,000 cents for packs of 100 credits are authorized. */
  function authorize(lines = [{ price: 'price_pack', unitAmount: 1000, quantity: 1 }]) {
    const { fake } = stage;
    const userId = fresh('user');
    const { id } = fake.createSession({ userId, lines, capture: 'manual' });
    const { object, events } = fake.paySession(id);
    return { userId, id, events, intent: String(object['payment_intent']) };
  }

  /** Of the 1,000 cents 333 are captured; up to acacia the release looks like a refund of 667. */
  function capture(intent: string, amount = 333): Events {
    const { events } = stage.fake.capturePayment(intent, amount, 'acacia');
    expect(events.map(({ type }) => type)).toContain('refund.created');
    return events;
  }

  test('grants its part, rounded down, whoever notices it', async () => {
    const { receiver, deliver, stored, sync } = stage;
    const [asked, synced, found] = [authorize(), authorize(), authorize()];
    const completed = asked.events.at(-1) ?? { id: '' };
    expect(await deliver(completed)).toBe('parked');
    for (const { intent } of [asked, synced, found]) capture(intent);
    await receiver.start();
    await until(async () => (await stored(completed))?.state === 'done');
    expect(await sync(synced.userId, synced.id)).toBe('granted');
    const { findings } = await reconcileOn(stage, { apply: true });
    expect(findings.filter(({ kind }) => kind !== 'event-missing')).toMatchObject([
      { kind: 'paid-but-not-granted', user: found.userId, amount: 333, credits: 33 },
    ]);
    for (const { userId } of [asked, synced, found]) expect(await creditsOf(userId)).toEqual([33]);
    await expectInOrder();
  });

  test.each(['before', 'after'])(
    'does not lose what was released once more, told of %s the grant',
    async (when) => {
      const { userId, id, intent } = authorize();
      const events = capture(intent);
      const released = events.filter(({ type }) => /refund/.test(type));
      expect(released.map(({ type }) => type)).toEqual(['refund.created', 'charge.refunded']);
      if (when === 'before') await tell(released);
      expect(await stage.sync(userId, id)).toBe('granted');
      await tell(released);
      await expectInOrder();
      expect(await creditsOf(userId)).toEqual([33]);
    },
  );

  test('loses by a refund the share of what was captured', async () => {
    const { userId, id, intent } = authorize();
    capture(intent, 500);
    await stage.sync(userId, id);
    await tell(stage.fake.refundPayment(intent, { amount: 250 }).events);
    expect(await creditsOf(userId)).toEqual([-25, 50]);
    await tell(stage.fake.refundPayment(intent).events);
    expect(await creditsOf(userId)).toEqual([-25, -25, 50]);
  });

  test('is rounded down once, over all lines', async () => {
    const one = { price: 'price_pack', unitAmount: 100, quantity: 1 };
    const { userId, id, intent } = authorize([one, one, one]);
    capture(intent, 199);
    await stage.sync(userId, id);
    expect((await creditsOf(userId)).toSorted()).toEqual([66, 66, 67]);
    const { entries } = await stage.ledger.entries(userId, { limit: 1, before: null });
    expect(entries).toMatchObject([{ metadata: { quantity: '1', paid: '199/300' } }]);
  });

  test('of less than a credit costs grants nothing, and says so', async () => {
    const { userId, id, events, intent } = authorize();
    capture(intent, 9);
    expect(await stage.sync(userId, id)).toBe('nothing');
    expect(await creditsOf(userId)).toEqual([]);
    const [known] = await stage.db.sql('SELECT amount_paid, reason FROM stripe_payments');
    expect(known).toEqual({
      amount_paid: 9,
      reason: '9 of 1000 usd were paid: no whole credit',
    });
    expect(await stage.deliver(events.at(-1) ?? { id: '' })).toBe('ignored');
  });
});

test('an authorization that is given up is no refund', async () => {
  const { fake, deliver, stored } = stage;
  const { id } = fake.createSession({
    ...{ userId: fresh('user'), capture: 'manual' },
    lines: [{ price: 'price_pack' }],
  });
  const intent = String(fake.paySession(id).object['payment_intent']);
  const [released, charge] = fake.cancelPayment(intent, 'acacia').events;
  for (const event of [released, charge])
    expect(await deliver(event ?? { id: '' })).toBe('ignored');
  expect((await stored(released ?? { id: '' }))?.reason).toContain('no money moved');
  await expectInOrder();
});

describe('a credit note', () => {
  /** A renewal for 1,000 credits that costs 100 cents and is not collected yet. */
  function renew() {
    const { fake } = stage;
    const [userId, customer] = [fresh('user'), fresh('cus')];
    const subscription = fake.subscribe({ userId, customer, price: 'price_plan' });
    const { events } = fake.renewSubscription(subscription.object.id, 'not_at_all');
    const [invoice] = events.filter(({ type }) => type === 'invoice.finalized');
    return { userId, customer, invoice: String(invoice?.data.object.id) };
  }

  test.each(['current', 'acacia'] as const)(
    'before the payment lowers what is paid, and its credits alike (%s)',
    async (shape) => {
      const { fake, deliver } = stage;
      const { userId, invoice } = renew();
      const noted = fake.issueCreditNote(invoice, { amount: 33 }).events;
      const { events } = fake.collectInvoice(invoice);
      for (const event of [...noted, ...events]) await deliver(fake.inShape(event, shape));
      expect(await creditsOf(userId)).toEqual([670]);
      const { charge } = fake.store.need('invoice', invoice);
      await tell(fake.refundPayment(String(charge), { amount: 10 }).events);
      expect(await creditsOf(userId)).toEqual([-100, 670]);
      await tell(fake.refundPayment(String(charge)).events);
      expect(await stage.balanceOf(userId)).toBe(0);
    },
  );

  test('of all of it before the payment leaves nothing to grant', async () => {
    const { userId, invoice } = renew();
    await tell(stage.fake.issueCreditNote(invoice).events);
    expect(stage.fake.store.need('invoice', invoice).status).toBe('paid');
    expect(await creditsOf(userId)).toEqual([]);
  });

  test('after the payment takes back, though the payment is told of later', async () => {
    const { fake } = stage;
    const { userId, invoice } = renew();
    fake.collectInvoice(invoice);
    fake.issueCreditNote(invoice, { amount: 33, outOfBand: 33 });
    await reconcileOn(stage, { apply: true });
    const credits = await creditsOf(userId);
    expect(credits.slice(0, 2).toSorted()).toEqual([-330, 1000]);
  });

  test('on the customer’s balance counts as paid when it pays an invoice', async () => {
    const { fake } = stage;
    const { userId, customer } = renew();
    const balanced = fake.store.need('customer', customer);
    fake.store.save({ ...balanced, balance: -60 });
    const [subscription] = fake.store.naming('subscription', 'customer', customer);
    await tell(fake.renewSubscription(String(subscription?.id)).events);
    expect(await creditsOf(userId)).toEqual([1000]);
  });
});
