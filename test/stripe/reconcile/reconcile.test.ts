import { describe, expect, onTestFinished, test } from 'vitest';
import { interpret } from '../../../src/stripe/fulfil/interpret.ts';
import type { ReconcileOptions } from '../../../src/stripe/reconcile/reconcile.ts';
import { isInOrder, type Report } from '../../../src/stripe/reconcile/report.ts';
import { tellOf } from '../../../src/stripe/shapes/event.ts';
import {
  buyPack,
  forgetEvents,
  fresh,
  reconcileOn,
  stage,
  useReconcileStage,
} from '../../support/reconcile.ts';
import { startStripeStage } from '../../support/stripe.ts';

useReconcileStage();

const reconcile = (options?: Partial<ReconcileOptions>) => reconcileOn(stage, options);
const buy = (options?: Parameters<typeof buyPack>[1]) => buyPack(stage, options);
const kinds = ({ findings }: Report) => findings.map(({ kind }) => kind).toSorted();

async function deliverAll(events: readonly { readonly id: string }[]): Promise<void> {
  for (const event of events) await stage.deliver(event);
}

const rowCounts = async () => {
  const tables = await stage.db.sql<{ name: string }>(
    `SELECT relname AS name FROM pg_class
      WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname`,
  );
  const counts = tables.map(async ({ name }) => {
    const [row] =
      await stage.db.sql(`SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text))
                                        FROM ${name} t`);
    return [name, row] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
};

describe('a dry run', () => {
  test('tells what is off and writes nothing at all', async () => {
    const { userId, session, events } = buy();
    const before = await rowCounts();
    const report = await reconcile();
    expect(await rowCounts()).toEqual(before);
    expect(isInOrder(report)).toBe(false);
    expect(kinds(report)).toContain('event-missing');
    expect(report.findings.find(({ kind }) => kind === 'paid-but-not-granted')).toMatchObject({
      ...{ object: session, user: userId, amount: 100, currency: 'usd', credits: 100 },
      ...{ why: 'its event never arrived', done: null, repaired: false },
    });
    const completed = events.find(({ type }) => type === 'checkout.session.completed');
    expect(report.findings.map(({ object }) => object)).toContain(completed?.id);
  });

  test('finds nothing where every event arrived', async () => {
    const { events, intent } = buy();
    await deliverAll(events);
    await deliverAll(stage.fake.refundPayment(intent, { amount: 40 }).events);
    const report = await reconcile();
    expect(report).toMatchObject({ findings: [], found: 0, left: 0, problems: [] });
    expect(isInOrder(report)).toBe(true);
  });

  test.each([
    [
      'parked, with its reason',
      async () => {
        const { session, events } = buy({ price: fresh('price') });
        await deliverAll(events);
        return [session, /^its event is parked: unknown price price_\d+$/] as const;
      },
    ],
    [
      'of an unknown price, and never arrived',
      async () => {
        const { session } = buy({ price: fresh('price') });
        return [session, /^its event never arrived; unknown price price_\d+$/] as const;
      },
    ],
    [
      'of an unknown user',
      async () => {
        const { id } = stage.fake.createSession({ lines: [{ price: 'price_pack' }] });
        stage.fake.paySession(id);
        return [id, /^its event never arrived; unknown user$/] as const;
      },
    ],
  ])('tells why a payment gave no credits: %s', async (_, arrange) => {
    const [object, why] = await arrange();
    const { findings } = await reconcile();
    const found = findings.find((one) => one.object === object);
    expect(found).toMatchObject({ kind: 'paid-but-not-granted', why: expect.stringMatching(why) });
  });
});

describe('what is repaired', () => {
  test('a payment whose events were all lost, even those that Stripe never created', async () => {
    const { userId } = buy();
    forgetEvents(stage);
    const report = await reconcile({ apply: true });
    expect(report.findings).toMatchObject([
      { kind: 'paid-but-not-granted', user: userId, credits: 100, done: 'done', repaired: true },
    ]);
    expect(isInOrder(report)).toBe(true);
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test.each([
    ['acacia', 'current'],
    ['current', 'acacia'],
  ] as const)('events that the API shows in %s, while the webhook gets %s', async (...shapes) => {
    const [accountShape, shape] = shapes;
    const other = await startStripeStage({ accountShape });
    onTestFinished(() => other.close());
    const { fake } = other;
    const { object, events } = fake.subscribe({ userId: 'ann', price: 'price_plan' });
    for (const event of events) {
      if (event.type === 'invoice.paid') await other.deliver(fake.inShape(event, shape));
    }
    expect(await other.balanceOf('ann')).toBe(1000);
    fake.renewSubscription(object.id);
    const [first] = fake.store.all('invoice');
    fake.refundPayment(String(first?.charge), { amount: 50 });
    const report = await reconcileOn(other, { apply: true });
    expect(new Set(kinds(report))).toEqual(new Set(['event-missing']));
    expect(await other.balanceOf('ann')).toBe(1500);
    expect(await reconcileOn(other)).toMatchObject({ findings: [], problems: [] });
    const stored = await other.db.sql('SELECT DISTINCT api_version FROM stripe_events');
    expect(stored).toHaveLength(2);
  });

  test('a manual capture, of which no event of the session tells', async () => {
    const { userId, intent, events } = buy({ capture: 'manual' });
    await deliverAll(events);
    stage.fake.capturePayment(intent);
    expect(await stage.balanceOf(userId)).toBe(0);
    await reconcile({ apply: true });
    expect(await stage.balanceOf(userId)).toBe(100);
    // The event that waited for a payment does not wait for ever.
    expect(isInOrder(await reconcile())).toBe(true);
    const waiting = await stage.db.sql("SELECT reason FROM stripe_events WHERE state = 'parked'");
    expect(waiting).toEqual([]);
  });

  test('a renewal whose user only the checkout of its subscription can tell', async () => {
    const [userId, subscription, customer] = [fresh('user'), fresh('sub'), fresh('cus')];
    const { id } = stage.fake.createSession({
      ...{ userId, subscription, customer, mode: 'subscription' },
      lines: [{ price: 'price_plan' }],
    });
    stage.fake.paySession(id);
    stage.fake.store.save({ ...stage.fake.store.need('subscription', subscription), metadata: {} });
    stage.fake.payInvoice({ subscription, customer, lines: [{ price: 'price_plan' }] });
    forgetEvents(stage);
    expect(isInOrder(await reconcile({ apply: true }))).toBe(true);
    expect(await stage.balanceOf(userId)).toBe(2000);
  });

  test.each([
    ['refund-missing', 60, (intent: string) => stage.fake.refundPayment(intent, { amount: 40 })],
    ['dispute-missing', 0, (intent: string) => stage.fake.openDispute(intent)],
  ])('%s: money that went back unheard', async (kind, balance, act) => {
    const { userId, intent, events } = buy();
    await deliverAll(events);
    const { object } = act(intent);
    forgetEvents(stage);
    expect((await reconcile()).findings).toMatchObject([{ kind, object: object.id, user: userId }]);
    const report = await reconcile({ apply: true });
    expect(report).toMatchObject({ found: 1, repaired: 1, left: 0 });
    expect(await stage.balanceOf(userId)).toBe(balance);
  });

  test.each([
    [
      'refund-differs',
      (intent: string) => {
        const { object, events } = stage.fake.refundPayment(intent, { status: 'pending' });
        return { events, end: () => stage.fake.settleRefund(object.id, 'failed') };
      },
    ],
    [
      'dispute-differs',
      (intent: string) => {
        const { object, events } = stage.fake.openDispute(intent);
        return { events, end: () => stage.fake.closeDispute(object.id, 'won') };
      },
    ],
  ])('%s: money that came back unheard', async (kind, act) => {
    const { userId, intent, events } = buy();
    await deliverAll(events);
    const reversal = act(intent);
    await deliverAll(reversal.events);
    expect(await stage.balanceOf(userId)).toBe(0);
    reversal.end();
    forgetEvents(stage);
    expect(kinds(await reconcile())).toEqual([kind]);
    expect(isInOrder(await reconcile({ apply: true }))).toBe(true);
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('credit-note-missing: a refund of which nobody told what it is for', async () => {
    const userId = fresh('user');
    const lines = [{ price: 'price_plan' }, { price: 'price_pack' }];
    const about = { userId, customer: fresh('cus'), subscription: fresh('sub') };
    const paid = stage.fake.payInvoice({ ...about, lines });
    await stage.deliver(paid);
    const { id, lines: made } = stage.fake.store.need('invoice', String(paid.data.object.id));
    const credited = [{ line: made[1]?.id ?? '', quantity: 1 }];
    const { object, events } = stage.fake.issueCreditNote(id, { lines: credited });
    await deliverAll(events.filter(({ type }) => type === 'refund.created'));
    expect(await stage.balanceOf(userId)).toBe(550);
    forgetEvents(stage);
    expect((await reconcile()).findings).toMatchObject([
      { kind: 'credit-note-missing', object: object.id, user: userId, amount: 0 },
    ]);
    expect(await reconcile({ apply: true })).toMatchObject({ repaired: 1, left: 0 });
    expect(await stage.balanceOf(userId)).toBe(1000);
  });

  test('a refund that is on file in another currency', async () => {
    const { userId, intent, events } = buy();
    await deliverAll(events);
    const [refunded] = stage.fake.refundPayment(intent, { amount: 30 }).events;
    if (!refunded) throw new Error('nothing told of the refund');
    const object = { ...refunded.data.object, currency: 'eur' };
    await stage.deliver({ ...refunded, data: { object } });
    expect(await stage.balanceOf(userId)).toBe(0);
    forgetEvents(stage);
    expect((await reconcile({ apply: true })).findings).toMatchObject([
      {
        ...{ kind: 'refund-differs', object: object.id, repaired: true },
        why: `of ${intent}: Stripe says 30 usd, on file is 30 eur`,
      },
    ]);
    expect(await stage.balanceOf(userId)).toBe(70);
  });

  test('a dispute that ended long after it was opened, whenever that was', async () => {
    const { userId, intent, events } = buy();
    await deliverAll(events);
    const { object, events: opened } = stage.fake.openDispute(intent);
    await deliverAll(opened);
    stage.fake.closeDispute(object.id, 'won');
    const longAgo = { created: 1_600_000_000 };
    stage.fake.store.save({ ...stage.fake.store.need('dispute', object.id), ...longAgo });
    forgetEvents(stage);
    expect((await reconcile({ apply: true })).problems).toEqual([]);
    expect(await stage.balanceOf(userId)).toBe(100);
  });
});

describe('what was granted and is not paid', () => {
  test.each([
    ['not paid after all', () => ({ paymentStatus: 'unpaid' }) as const, 'Stripe says unpaid'],
    ['gone', () => null, "Stripe's API answers 404 resource_missing"],
  ])('is told and never taken: %s', async (_, change, why) => {
    const { userId, session, events } = buy();
    await deliverAll(events);
    const { store } = stage.fake;
    const changes = change();
    const record = store.need('checkout.session', session);
    if (changes) store.save({ ...record, ...changes });
    else store.forget(session);
    const finding = { kind: 'granted-but-not-paid', object: session, user: userId, credits: -100 };
    for (const apply of [false, true]) {
      const report = await reconcile({ apply });
      expect(report.findings).toMatchObject([{ ...finding, why, done: null, repaired: false }]);
      expect(report.left).toBe(1);
    }
    expect(await stage.balanceOf(userId)).toBe(100);
  });
});

test('an object that says no mode, as a refund of the API, is of the mode of its key', () => {
  const refund = {
    ...{ id: 're_1', object: 'refund', amount: 1, currency: 'usd', status: 'succeeded' },
    ...{ charge: 'ch_1', payment_intent: 'pi_1' },
  };
  const told = tellOf(refund, 'refund.updated');
  for (const livemode of [true, false]) {
    expect(interpret(told, livemode)).toMatchObject({ kind: 'reversal' });
  }
  const ofTestMode = tellOf({ ...refund, livemode: false }, 'refund.updated');
  expect(interpret(ofTestMode, true)).toMatchObject({ kind: 'ignore' });
});
