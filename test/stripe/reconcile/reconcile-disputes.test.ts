import { describe, expect, test } from 'vitest';
import { buyPack, fresh, reconcileOn, stage, useReconcileStage } from '../../support/reconcile.ts';
import { until } from '../../support/stripe.ts';

useReconcileStage();

const APPLY = { apply: true };
const MINUTE = 60;

/** A paid pack, disputed; Stripe keeps no events, so that only its objects tell. */
async function disputed() {
  const { userId, intent, events } = buyPack(stage);
  for (const event of events) await stage.deliver(event);
  const { object, events: opened } = stage.fake.openDispute(intent);
  const find = (told: typeof opened, type: string) => {
    const event = told.find((one) => one.type === `charge.dispute.${type}`);
    if (!event) throw new Error(`no ${type}`);
    return event;
  };
  return {
    id: object.id,
    balance: () => stage.balanceOf(userId),
    withdrawn: find(opened, 'funds_withdrawn'),
    win: () => find(stage.fake.closeDispute(object.id, 'won').events, 'funds_reinstated'),
    forget: () => stage.fake.advance(31 * 86_400),
  };
}

/** As a Stripe tells it whose clock is so many seconds ahead of ours. */
function at<T extends { readonly created: number }>(event: T, ahead: number): T {
  const created = Math.floor(Date.now() / 1000) + ahead;
  return { ...event, id: fresh('evt'), created };
}

describe('what the API told of a dispute, and events that are delivered later', () => {
  test('an event about something later decides, though our clock is ahead of Stripe', async () => {
    const { balance, win, forget } = await disputed();
    forget();
    expect(await reconcileOn(stage, APPLY)).toMatchObject({ repaired: 1, left: 0 });
    expect(await balance()).toBe(0);
    expect(await stage.deliver(at(win(), -MINUTE))).toBe('done');
    expect(await balance()).toBe(100);
  });

  test('an event about something earlier does not, though our clock is behind', async () => {
    const { balance, withdrawn, win, forget } = await disputed();
    await stage.deliver(withdrawn);
    expect(await balance()).toBe(0);
    win();
    forget();
    expect(await reconcileOn(stage, APPLY)).toMatchObject({ repaired: 1, left: 0 });
    expect(await balance()).toBe(100);
    expect(await stage.deliver(at(withdrawn, MINUTE))).toBe('done');
    expect(await balance()).toBe(100);
  });

  test('what is told while Stripe is asked is not undone by its answer', async () => {
    const { id, balance, withdrawn, win, forget } = await disputed();
    await stage.deliver(withdrawn);
    win();
    forget();
    // The answer is made before what follows, and comes after it.
    const path = `/v1/disputes/${id}`;
    stage.fake.setFault({ kind: 'slow', ms: 1_000, path, after: true, times: 1 });
    const lists = ['events', 'sessions', 'invoices', 'refunds', 'disputes'];
    const asked = stage.fake.requests() + lists.length + 1;
    const running = reconcileOn(stage, APPLY);
    await until(async () => stage.fake.requests() === asked);
    stage.fake.store.save({ ...stage.fake.store.need('dispute', id), status: 'lost' });
    expect(await stage.deliver(at(withdrawn, MINUTE))).toBe('done');
    await running;
    expect(await balance()).toBe(0);
  });

  test('an event that disagrees waits while Stripe cannot be asked', async () => {
    const { balance, win, forget } = await disputed();
    forget();
    await reconcileOn(stage, APPLY);
    const won = at(win(), MINUTE);
    stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/disputes' });
    expect(await stage.deliver(won)).toBe('parked');
    expect(await stage.stored(won)).toMatchObject({
      ...{ reason: "Stripe's API cannot be reached", waits_for: ['stripe_api'] },
    });
    expect(await balance()).toBe(0);
    stage.fake.setFault(null);
    await stage.receiver.start();
    await expect.poll(balance, { timeout: 10_000 }).toBe(100);
  });
});
