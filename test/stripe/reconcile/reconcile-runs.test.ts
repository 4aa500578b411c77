import { describe, expect, test } from 'vitest';
import { formatProgress } from '../../../src/cli/reconcile-report.ts';
import type { Reconciler } from '../../../src/stripe/reconcile/reconcile.ts';
import { isInOrder } from '../../../src/stripe/reconcile/report.ts';
import { createSchedule } from '../../../src/stripe/reconcile/schedule.ts';
import {
  buyPack,
  reconcileOn,
  reconcilerOf,
  stage,
  useReconcileStage,
} from '../../support/reconcile.ts';
import { type StripeStage, until } from '../../support/stripe.ts';

useReconcileStage();

const APPLY = { apply: true, since: null };
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ago = (date: Date, milliseconds: number) => new Date(date.getTime() - milliseconds);

describe('how far back a run looks', () => {
  test('30 days at first; then a little further than the last one that repaired', async () => {
    const first = await reconcileOn(stage, APPLY);
    expect(first.eventsSince).toEqual(ago(first.startedAt, 30 * DAY));
    expect(first.objectsSince).toEqual(ago(first.startedAt, 30 * DAY));
    const second = await reconcileOn(stage);
    expect(second.eventsSince).toEqual(ago(first.startedAt, 2 * HOUR));
    expect(second.objectsSince).toEqual(ago(first.startedAt, DAY));
  });

  test('once a day all the way: what was created long ago may be paid only now', async () => {
    await reconcileOn(stage, APPLY);
    await stage.db.sql("UPDATE stripe_reconcile SET looked_back_at = now() - interval '25 hours'");
    const report = await reconcileOn(stage, APPLY);
    expect(report.objectsSince).toEqual(ago(report.startedAt, 30 * DAY));
    expect((await reconcileOn(stage)).objectsSince).toEqual(ago(report.startedAt, DAY));
  });

  test('as far as it is asked to, and then no gap is taken for seen', async () => {
    const since = ago(new Date(), HOUR);
    const asked = await reconcileOn(stage, { apply: true, since });
    expect([asked.eventsSince, asked.objectsSince]).toEqual([since, since]);
    const next = await reconcileOn(stage);
    expect(next.eventsSince).toEqual(ago(next.startedAt, 30 * DAY));
  });

  test('a dry run moves nothing', async () => {
    await reconcileOn(stage);
    const next = await reconcileOn(stage);
    expect(next.eventsSince).toEqual(ago(next.startedAt, 30 * DAY));
  });
});

describe('Stripe fails in the middle', () => {
  test('what was seen is repaired, and the next run begins where this one did', async () => {
    const { userId } = buyPack(stage);
    stage.fake.advance(31 * 86_400);
    stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/invoices' });
    const failed = await reconcileOn(stage, APPLY);
    expect(failed).toMatchObject({
      ...{ found: 1, repaired: 1, problems: ["Stripe's API cannot be reached"] },
    });
    expect(isInOrder(failed)).toBe(false);
    expect(await stage.balanceOf(userId)).toBe(100);
    stage.fake.setFault(null);
    const next = await reconcileOn(stage, APPLY);
    expect(next.problems).toEqual([]);
    expect(next.eventsSince).toEqual(ago(failed.startedAt, 2 * HOUR));
    expect(next.objectsSince).toEqual(ago(next.startedAt, 30 * DAY));
  });

  test('a look back that was not complete is done again', async () => {
    await reconcileOn(stage, APPLY);
    await stage.db.sql("UPDATE stripe_reconcile SET looked_back_at = now() - interval '25 hours'");
    stage.fake.setFault({ kind: 'error', status: 403, path: '/v1/refunds' });
    expect((await reconcileOn(stage, APPLY)).problems).toHaveLength(1);
    stage.fake.setFault(null);
    const stopping = new AbortController();
    await reconcileOn(stage, {
      ...APPLY,
      signal: stopping.signal,
      onProgress: () => stopping.abort(),
    });
    const next = await reconcileOn(stage, APPLY);
    expect(next.objectsSince).toEqual(ago(next.startedAt, 30 * DAY));
  });

  test('a key that may not list something says so, and the rest is compared', async () => {
    const { userId } = buyPack(stage);
    stage.fake.setFault({ kind: 'error', status: 403, path: '/v1/events' });
    const report = await reconcileOn(stage, APPLY);
    expect(report.problems).toEqual(["events: Stripe's API refuses the key: 403"]);
    expect(await stage.balanceOf(userId)).toBe(100);
    stage.fake.setFault(null);
    const next = await reconcileOn(stage);
    expect(next.eventsSince).toEqual(ago(next.startedAt, 30 * DAY));
  });
});

test('more than a page of events and of objects is seen to its end', async () => {
  const bought = Array.from({ length: 110 }, () => buyPack(stage));
  const dry = await reconcileOn(stage);
  expect(dry.counts).toMatchObject({ events: 110, sessions: 110 });
  expect(dry).toMatchObject({ found: 220, left: 220, problems: [] });
  const report = await reconcileOn(stage, APPLY);
  expect(report).toMatchObject({ found: 110, repaired: 110, left: 0 });
  for (const { userId } of bought) expect(await stage.balanceOf(userId)).toBe(100);
});

test('a run tells how far it is, and what it has found', async () => {
  buyPack(stage);
  buyPack(stage, { price: 'price_unknown' });
  const said: string[] = [];
  await reconcileOn(stage, { onProgress: (progress) => said.push(formatProgress(progress)) });
  expect([...new Set(said)]).toEqual([
    ...['Asking Stripe …', '2 events …', '2 events … 1 found', '2 events … 2 found'],
    ...['2 events, 2 sessions … 2 found', '2 events, 2 sessions … 3 found'],
    '2 events, 2 sessions … 4 found',
  ]);
});

describe('several runs', () => {
  test('the second one finds nothing to do', async () => {
    const { userId, intent } = buyPack(stage);
    stage.fake.refundPayment(intent, { amount: 40 });
    expect(await reconcileOn(stage, APPLY)).toMatchObject({ left: 0 });
    const before = await stage.db.sql('SELECT * FROM credit_ledger ORDER BY user_id, seq');
    expect(await reconcileOn(stage, APPLY)).toMatchObject({ found: 0 });
    expect(await stage.db.sql('SELECT * FROM credit_ledger ORDER BY user_id, seq')).toEqual(before);
    expect(await stage.balanceOf(userId)).toBe(60);
  });

  test('of two at once one repairs, and the other one does not start', async () => {
    const { userId } = buyPack(stage);
    const other = await stage.restart();
    const reports = await Promise.all(
      [stage, other].map((one) => reconcilerOf(one).run({ apply: true, since: null })),
    );
    expect(reports.filter((report) => report !== null)).toHaveLength(1);
    expect(await stage.balanceOf(userId)).toBe(100);
  });

  test('one that died is not waited for longer than its lease', async () => {
    const die = (left: string) =>
      stage.db.sql(
        `UPDATE stripe_reconcile
            SET holder = gen_random_uuid(), held_until = now() + $1::interval`,
        [left],
      );
    await die('1 minute');
    expect(await reconcilerOf(stage).run(APPLY)).toBeNull();
    await die('-1 second');
    expect(await reconcilerOf(stage).run(APPLY)).not.toBeNull();
  });

  test('one whose lease another run has taken does not move the cursor', async () => {
    stage.fake.setFault({ kind: 'slow', ms: 500, path: '/v1/events' });
    const asked = stage.fake.requests();
    const running = reconcileOn(stage, APPLY);
    await until(async () => stage.fake.requests() > asked);
    const [other] = await stage.db.sql<{ holder: string }>(
      'UPDATE stripe_reconcile SET holder = gen_random_uuid() RETURNING holder',
    );
    expect(await running).toMatchObject({ problems: [] });
    const rows = await stage.db.sql(
      'SELECT holder, events_seen_until AS until FROM stripe_reconcile',
    );
    expect(rows).toEqual([{ ...other, until: null }]);
  });

  test('one that is stopped says so, and does not move the cursor', async () => {
    buyPack(stage);
    const stopping = new AbortController();
    const stopped = await reconcileOn(stage, {
      ...APPLY,
      signal: stopping.signal,
      onProgress: () => stopping.abort(),
    });
    expect(stopped.problems).toEqual(['it was stopped before its end']);
    const next = await reconcileOn(stage);
    expect(next.eventsSince).toEqual(ago(next.startedAt, 30 * DAY));
  });
});

describe('the schedule', () => {
  const scheduleOf = (one: StripeStage, everyMinutes: number, reconciler = reconcilerOf(one)) =>
    createSchedule({
      ...{ reconciler, everyMinutes, log: one.app.log },
      firstAfter: 1,
    });

  test('repairs by itself, again and again', async () => {
    const schedule = scheduleOf(stage, 0.001);
    schedule.start();
    for (let round = 0; round < 2; round++) {
      const { userId } = buyPack(stage);
      await until(async () => (await stage.balanceOf(userId)) === 100);
    }
    await schedule.stop();
  });

  test('lets one server of several run, and leaves the others in peace', async () => {
    await reconcileOn(stage, APPLY);
    const run = { ...APPLY, every: 60 };
    expect(await reconcilerOf(stage).run(run)).toBeNull();
    await stage.db.sql("UPDATE stripe_reconcile SET started_at = now() - interval '61 seconds'");
    expect(await reconcilerOf(stage).run(run)).not.toBeNull();
  });

  test('does not hold up a shutdown while Stripe is silent', async () => {
    stage.fake.setFault({ kind: 'silence' });
    const reconciler = reconcilerOf(stage);
    let ended = false;
    const run: Reconciler['run'] = (options) =>
      reconciler.run(options).finally(() => {
        ended = true;
      });
    const schedule = scheduleOf(stage, 60, { ...reconciler, run });
    const asked = stage.fake.requests();
    schedule.start();
    await until(async () => stage.fake.requests() > asked);
    await schedule.stop();
    expect(ended).toBe(false);
    stage.fake.setFault(null);
  });
});
