import { describe, expect, test } from 'vitest';
import { createPool } from '../../../src/db/pool.ts';
import { createReconciler } from '../../../src/stripe/reconcile/reconcile.ts';
import {
  buyLongAgo,
  buyPack,
  disputeLongAgo,
  forgetEvents,
  passBy,
  reconcileOn,
  stage,
  useReconcileStage,
} from '../../support/reconcile.ts';
import { publishPrices } from '../../support/stripe.ts';

useReconcileStage();

/** A run that repairs, and asks for at most so many one by one; as many as usual by default. */
const apply = (inTurn?: number) =>
  reconcileOn(stage, { apply: true, ...(inTurn !== undefined && { inTurn }) });

describe('payments that granted, and that no list shows as paid', () => {
  const unpaid = (object: string) => ({ kind: 'granted-but-not-paid', object });

  test('are asked for some in a run, each in its turn, and then again', async () => {
    const [first, , , , last] = await buyMany(5);
    forgetEvents(stage);
    last?.setPaid(false);
    expect(await apply(2)).toMatchObject({ found: 0, waiting: 3, problems: [] });
    expect(await apply(2)).toMatchObject({ found: 0, waiting: 3, problems: [] });
    expect((await apply(2)).findings).toMatchObject([unpaid(last?.session ?? '')]);
    last?.setPaid(true);
    first?.setPaid(false);
    expect(await apply(2)).toMatchObject({ found: 0 });
    expect(await apply(2)).toMatchObject({ found: 0 });
    expect((await apply(2)).findings).toMatchObject([unpaid(first?.session ?? '')]);
  });

  test('do not hold up the cursor, and have their turn though it went past them', async () => {
    const bought = await buyMany(5);
    forgetEvents(stage);
    bought.at(-1)?.setPaid(false);
    const { startedAt } = await apply(2);
    const [cursor] = await stage.db.sql('SELECT objects_seen_until AS until FROM stripe_reconcile');
    expect(cursor).toEqual({ until: startedAt });
    await passBy(stage);
    expect(await apply(2)).toMatchObject({ found: 0, waiting: 1, problems: [] });
    expect(await apply(2)).toMatchObject({ found: 1, waiting: 0, problems: [] });
    expect(await apply(2)).toMatchObject({ found: 1, waiting: 0 });
  });

  test('need not wait for a turn where a list has shown them as paid', async () => {
    for (const { events } of [buyPack(stage), buyPack(stage)]) {
      for (const event of events) await stage.deliver(event);
    }
    expect(await apply(1)).toMatchObject({ waiting: 0 });
    await passBy(stage);
    expect(await apply(1)).toMatchObject({ waiting: 0 });
  });

  test('do not move up by a run that only reports', async () => {
    await buyMany(3);
    forgetEvents(stage);
    const before = await stage.db.sql('SELECT * FROM stripe_payments');
    expect(await reconcileOn(stage, { inTurn: 2 })).toMatchObject({ waiting: 1 });
    expect(await stage.db.sql('SELECT * FROM stripe_payments')).toEqual(before);
  });

  async function buyMany(count: number) {
    const bought: Awaited<ReturnType<typeof buyLongAgo>>[] = [];
    for (let i = 0; i < count; i++) bought.push(await buyLongAgo(stage));
    return bought;
  }
});

describe('what is asked for one by one', () => {
  test('has its turn: nothing that was left is hidden by what is older', async () => {
    const { userId } = buyPack(stage, { price: 'price_later' });
    forgetEvents(stage);
    await apply();
    await passBy(stage);
    await stage.db.sql(
      `INSERT INTO stripe_findings (object, kind, dated_at, why, looked_at)
       SELECT 'evt_gone_' || n, 'event-missing', now(), 'it never arrived', to_timestamp(n)
         FROM generate_series(1, 2) AS n`,
    );
    await publishPrices(stage.db, new Map([['price_later', 70]]));
    const more = 'more than 2 findings of earlier runs are open, and not all had their turn';
    expect(await apply(2)).toMatchObject({ found: 2, left: 2, problems: [more] });
    expect(await apply(2)).toMatchObject({ found: 2, repaired: 1, problems: [more] });
    expect(await stage.balanceOf(userId)).toBe(70);
  });

  test('has its turn: a dispute that ended, behind others that did not', async () => {
    const [before, dispute] = [await disputeLongAgo(stage), await disputeLongAgo(stage)];
    stage.fake.closeDispute(dispute.id, 'won');
    forgetEvents(stage);
    expect(await apply(1)).toMatchObject({ found: 0, problems: [] });
    expect(await apply(1)).toMatchObject({ found: 1, repaired: 1 });
    expect(await stage.balanceOf(dispute.userId)).toBe(100);
    expect(await stage.balanceOf(before.userId)).toBe(0);
  });

  test('has its turn: what Stripe does not know any more is told, and holds up no other', async () => {
    const [gone, dispute] = [await disputeLongAgo(stage), await disputeLongAgo(stage)];
    stage.fake.store.forget(gone.id);
    stage.fake.closeDispute(dispute.id, 'won');
    forgetEvents(stage);
    const why = "Stripe's API answers 404 resource_missing";
    const finding = {
      ...{ kind: 'dispute-differs', object: gone.id, user: gone.userId },
      ...{ amount: 100, currency: 'usd', why, done: null, repaired: false },
    };
    expect((await reconcileOn(stage, { inTurn: 1 })).findings).toMatchObject([finding]);
    expect((await apply(1)).findings).toMatchObject([finding]);
    expect((await apply(1)).findings).toMatchObject([{ object: dispute.id }, finding]);
    expect(await stage.balanceOf(dispute.userId)).toBe(100);
    expect((await apply(1)).findings).toMatchObject([finding]);
  });

  test('does not ask for ever: an end that moved no credits is put on file', async () => {
    const { intent, events } = buyPack(stage);
    for (const event of events) await stage.deliver(event);
    const { object, events: made } = stage.fake.refundPayment(intent, { status: 'pending' });
    for (const event of made) await stage.deliver(event);
    stage.fake.settleRefund(object.id, 'succeeded');
    forgetEvents(stage);
    expect(await apply()).toMatchObject({ found: 0 });
    expect(await stage.db.sql('SELECT status FROM stripe_reversals')).toEqual([
      { status: 'succeeded' },
    ]);
  });
});

test('at any size a run finds what changed, and whose turn it is, by an index', async () => {
  const { db, receiver, livemode, app } = stage;
  // Of a few rows only an index that fits in every word is used then.
  await db.sql(`DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database());
    EXECUTE format('ALTER DATABASE %I SET enable_bitmapscan = off', current_database());
    EXECUTE format('ALTER DATABASE %I SET enable_sort = off', current_database());
  END $$`);
  const pool = createPool({ url: db.url, size: 1, onError: () => {} });
  const { processing } = receiver;
  await createReconciler({ pool, processing, livemode, log: app.log }).run({
    ...{ apply: true, since: null },
  });
  await pool.end();
  const used = () =>
    db.sql(
      `SELECT indexrelname AS name
         FROM pg_stat_user_indexes
        WHERE idx_scan > 0 AND indexrelname ~ '_(recorded|never_asked|changed|unended)$'
        ORDER BY name`,
    );
  // A connection counts what it has used when it ends.
  await expect
    .poll(used, { timeout: 10_000 })
    .toEqual([
      ...[{ name: 'stripe_payments_never_asked' }, { name: 'stripe_payments_recorded' }],
      ...[{ name: 'stripe_reversals_changed' }, { name: 'stripe_reversals_unended' }],
    ]);
});
