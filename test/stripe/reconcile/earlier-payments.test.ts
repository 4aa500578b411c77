import { describe, expect, test } from 'vitest';
import {
  buyPack,
  forgetEvents,
  fresh,
  reconcileOn,
  stage,
  useReconcileStage,
} from '../../support/reconcile.ts';
import { setInUseSince } from '../../support/stripe.ts';

useReconcileStage();

const HOUR = 3_600_000;
const apply = () => reconcileOn(stage, { apply: true });
const since = (days: number) => ({ since: new Date(Date.now() - days * 24 * HOUR) });
/** The database comes into use only after all that has happened so far. */
const useLater = () => setInUseSince(stage.db, new Date(Date.now() + HOUR));
const useEarlier = () => setInUseSince(stage.db, new Date(Date.now() - HOUR));

describe('what was paid before the database came into use', () => {
  test('is neither told nor granted, again and again', async () => {
    const { userId } = buyPack(stage);
    await useLater();
    for (const _ of ['once', 'and again']) {
      expect(await apply()).toMatchObject({ found: 0, left: 0, problems: [] });
      expect(await stage.balanceOf(userId)).toBe(0);
    }
    expect(await reconcileOn(stage)).toMatchObject({ found: 0 });
  });

  test('neither is that of a subscription, whose refund waits for nothing either', async () => {
    const [userId, subscription, lines] = [fresh('user'), fresh('sub'), [{ price: 'price_pack' }]];
    const paid = stage.fake.payInvoice({ userId, subscription, lines });
    await useLater();
    expect(await apply()).toMatchObject({ found: 0, counts: { invoices: 1 } });
    expect(await stage.balanceOf(userId)).toBe(0);
    const charge = stage.fake.store.need('invoice', paid.data.object.id).charge ?? '';
    const { events } = stage.fake.refundPayment(charge);
    const refund = events.find(({ type }) => type === 'refund.created') ?? expect.unreachable();
    expect(await stage.deliver(refund)).toBe('ignored');
  });

  test('is not told of a database that no server has used yet: it begins now', async () => {
    buyPack(stage);
    await stage.db.sql('DELETE FROM stripe_account');
    // Stripe tells whole seconds: what was paid in this one may have been paid since.
    const found = async () => (await reconcileOn(stage)).found;
    await expect.poll(found, { timeout: 10_000 }).toBe(0);
  });

  test('is told, and granted, by a run that is asked to look so far back', async () => {
    const { userId, session } = buyPack(stage);
    forgetEvents(stage);
    await useLater();
    const finding = { kind: 'paid-but-not-granted', object: session };
    expect(await reconcileOn(stage, since(60))).toMatchObject({ findings: [finding] });
    expect(await reconcileOn(stage, { ...since(60), apply: true })).toMatchObject({ repaired: 1 });
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('is granted when its event comes all the same', async () => {
    const { userId, events } = buyPack(stage);
    await useLater();
    for (const event of events) await stage.deliver(event);
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('keeps no refund waiting: it is on file, and counts if credits come after all', async () => {
    const { userId, session, intent } = buyPack(stage);
    await useLater();
    const { object, events } = stage.fake.refundPayment(intent, { amount: 30 });
    for (const event of events) await stage.deliver(event);
    const states = await stage.db.sql(
      'SELECT DISTINCT state, reason FROM stripe_events WHERE object_id = $1',
      [object.id],
    );
    const reason = expect.stringContaining('it was paid before this database came into use');
    expect(states).toEqual([{ state: 'ignored', reason }]);
    expect(await apply()).toMatchObject({ found: 0 });
    await reconcileOn(stage, { ...since(60), apply: true });
    expect(await stage.balanceOf(userId)).toBe(70);
    expect(await stage.sync(userId, session)).toBe('granted');
  });

  test('has a refund that nobody is told of, unless its payment is on record', async () => {
    const [other, known] = [buyPack(stage), buyPack(stage)];
    for (const event of known.events) await stage.deliver(event);
    const { object } = stage.fake.refundPayment(known.intent);
    stage.fake.refundPayment(other.intent);
    await useLater();
    const finding = { kind: 'refund-missing', object: object.id, repaired: true };
    expect((await apply()).findings).toMatchObject([finding]);
    expect(await stage.balanceOf(known.userId)).toBe(0);
    const filed = await stage.db.sql('SELECT count(*)::int AS n FROM stripe_reversals');
    expect(filed).toEqual([{ n: 1 }]);
  });
});

test('a refund of an earlier payment that is on file follows Stripe: it failed since', async () => {
  const { intent } = buyPack(stage);
  await useLater();
  const { object, events } = stage.fake.refundPayment(intent, { status: 'pending' });
  for (const event of events) await stage.deliver(event);
  stage.fake.settleRefund(object.id, 'failed');
  forgetEvents(stage);
  const finding = { kind: 'refund-differs', object: object.id, repaired: true };
  expect((await apply()).findings).toMatchObject([finding]);
  expect(await stage.db.sql('SELECT live FROM stripe_reversals')).toEqual([{ live: false }]);
});

test('what a run before was asked for, and could not file, is not forgotten by the next one', async () => {
  const { intent } = buyPack(stage);
  const { object } = stage.fake.refundPayment(intent);
  await useLater();
  await stage.db.sql(
    `INSERT INTO stripe_findings (object, kind, code, dated_at, why)
     VALUES ($1, 'refund-missing', 'not_on_file', now(), 'not on file')`,
    [object.id],
  );
  const finding = { kind: 'refund-missing', object: object.id, repaired: true };
  expect((await apply()).findings).toMatchObject([finding]);
  expect(await stage.db.sql('SELECT id FROM stripe_reversals')).toEqual([{ id: object.id }]);
});

describe('what was paid since', () => {
  test('is granted, also of a session that is older', async () => {
    const { userId, session } = buyPack(stage);
    const record = stage.fake.store.need('checkout.session', session);
    stage.fake.store.save({ ...record, created: record.created - 3 * 3600 });
    forgetEvents(stage);
    await setInUseSince(stage.db, new Date((record.created - 3600) * 1000));
    expect(await apply()).toMatchObject({ repaired: 1, left: 0 });
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('is granted, also in the same second', async () => {
    const { userId, session } = buyPack(stage);
    const { created } = stage.fake.store.need('checkout.session', session);
    forgetEvents(stage);
    await setInUseSince(stage.db, new Date(created * 1000 + 500));
    expect(await apply()).toMatchObject({ repaired: 1, left: 0 });
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('is granted from its event, and the cursor moves', async () => {
    await useEarlier();
    expect(await apply()).toMatchObject({ found: 0 });
    const [cursor] = await stage.db.sql('SELECT events_seen_until AS until FROM stripe_reconcile');
    expect(cursor).toEqual({ until: expect.any(Date) });
    const { userId } = buyPack(stage);
    const report = await apply();
    expect(report.findings.map(({ kind }) => kind)).toContain('event-missing');
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('has a refund that waits for it', async () => {
    await useEarlier();
    const { intent } = buyPack(stage);
    const { events } = stage.fake.refundPayment(intent);
    const refund = events.find(({ type }) => type === 'refund.created') ?? expect.unreachable();
    expect(await stage.deliver(refund)).toBe('parked');
    expect(await stage.stored(refund)).toMatchObject({ reason: 'its payment has not arrived yet' });
  });
});
