import { beforeEach, describe, expect, test } from 'vitest';
import {
  acceptFinding,
  listAccepted,
  markOf,
  unacceptFindings,
} from '../../../src/stripe/reconcile/acceptances.ts';
import { ignoreEvent, retryEvent } from '../../../src/stripe/reconcile/ignored-events.ts';
import { attemptAgain, makeDue } from '../../support/inbox.ts';
import {
  buyPack,
  fresh,
  passBy,
  reconcileOn,
  stage,
  useReconcileStage,
} from '../../support/reconcile.ts';
import { publishPrices, until } from '../../support/stripe.ts';

useReconcileStage();

const apply = () => reconcileOn(stage, { apply: true });
const note = 'ignored by eve: granted by hand';

async function deliver(events: ReturnType<typeof buyPack>['events']) {
  for (const event of events) await stage.deliver(event);
}

const completedOf = ({ events }: Pick<ReturnType<typeof buyPack>, 'events'>) => {
  const event = events.find(({ type }) => type === 'checkout.session.completed');
  return event ?? expect.unreachable();
};

describe('a payment whose event an operator has ignored grants nothing, though its price is known', () => {
  let bought: ReturnType<typeof buyPack>;
  let id: string;
  beforeEach(async () => {
    const price = fresh('price');
    bought = buyPack(stage, { price });
    await deliver(bought.events);
    ({ id } = completedOf(bought));
    expect(await ignoreEvent(stage.db.pool, { id, note })).toBeNull();
    await publishPrices(stage.db, new Map([[price, 70]]));
  });

  test('by a reconciliation, which is in order', async () => {
    for (const _ of ['once', 'and again']) {
      expect(await apply()).toMatchObject({ found: 0, left: 0, problems: [] });
      await passBy(stage);
    }
    expect(await stage.balanceOf(bought.userId)).toBe(0);
    expect(await listAccepted(stage.db.pool)).toMatchObject([
      { ...{ object: bought.session, code: 'ignored', amount: 100, currency: 'usd' }, note },
    ]);
  });

  test('by a run that had found it before it was ignored', async () => {
    await stage.db.sql("UPDATE stripe_findings SET code = 'unknown_price', changed = true");
    expect(await apply()).toMatchObject({ found: 0, left: 0, problems: [] });
    expect(await stage.balanceOf(bought.userId)).toBe(0);
  });

  test('by its buyer who returns', async () => {
    expect(await stage.sync(bought.userId, bought.session)).toBe('nothing');
    expect(await stage.balanceOf(bought.userId)).toBe(0);
  });

  test('and its refund waits for nothing', async () => {
    const { events } = stage.fake.refundPayment(bought.intent);
    await deliver(events);
    expect(
      await stage.db.sql("SELECT state, reason FROM stripe_events WHERE object_id LIKE 're_%'"),
    ).toEqual([{ state: 'ignored', reason: expect.stringContaining(note) }]);
  });

  test.each([
    ['a retry of the event', () => retryEvent(stage.db.pool, { id, note: null })],
    ['purser reconcile --unaccept', () => unacceptFindings(stage.db.pool, bought.session)],
  ])('until %s takes that back, and it grants, less what was refunded', async (_, takeBack) => {
    const { events } = stage.fake.refundPayment(bought.intent, { amount: 50 });
    await deliver(events);
    await takeBack();
    await attemptAgain(stage);
    expect(await stage.stored({ id })).toMatchObject({ state: 'done' });
    expect(await stage.balanceOf(bought.userId)).toBe(35);
    expect(await apply()).toMatchObject({ found: 0, left: 0 });
    expect(await stage.db.sql('SELECT FROM stripe_findings')).toEqual([]);
  });
});

test('a refund that waits for the payment waits no more once its event is ignored', async () => {
  const { intent, events } = buyPack(stage, { price: fresh('price') });
  const { events: refunded } = stage.fake.refundPayment(intent);
  await deliver([...events, ...refunded]);
  const refund = refunded.find(({ type }) => type === 'refund.created') ?? expect.unreachable();
  expect(await stage.stored(refund)).toMatchObject({ state: 'parked' });
  await stage.db.sql(
    "UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour' WHERE waits_for <> '{}'",
  );
  await ignoreEvent(stage.db.pool, { id: completedOf({ events }).id, note });
  expect((await stage.stored(refund))?.due_in).toBeLessThanOrEqual(0);
});

test('a session that was ignored while it was unpaid grants when its slow payment arrives', async () => {
  const userId = fresh('user');
  const session = stage.fake.createSession({ userId, lines: [{ price: 'price_pack' }] });
  const unpaid = stage.fake.completeSession(session.id, 'unpaid');
  expect(await stage.deliver(unpaid)).toBe('parked');
  expect(await ignoreEvent(stage.db.pool, { id: unpaid.id, note })).toBeNull();
  await stage.deliver(stage.fake.settleSession(session.id, 'succeeded'));
  expect(await stage.balanceOf(userId)).toBe(100);
});

test('a session that was found to be paid since is accepted, though its event says unpaid', async () => {
  const price = fresh('price');
  const bought = buyPack(stage, { price, capture: 'manual' });
  await deliver(bought.events);
  const { id } = completedOf(bought);
  stage.fake.capturePayment(bought.intent);
  await makeDue(stage, { id });
  const { receiver } = await stage.restart();
  await receiver.start();
  await until(async () => (await stage.stored({ id }))?.reason === `unknown price ${price}`);
  await receiver.stop();
  expect(await ignoreEvent(stage.db.pool, { id, note })).toBeNull();
  await publishPrices(stage.db, new Map([[price, 70]]));
  expect(await apply()).toMatchObject({ found: 0 });
  expect(await stage.balanceOf(bought.userId)).toBe(0);
});

test('of a payment that was granted, but not recorded, nothing is accepted: a reconciliation records it', async () => {
  const bought = buyPack(stage);
  // As when the server dies in between.
  await stage.db.sql('ALTER TABLE stripe_payments ADD CONSTRAINT no_room CHECK (false) NOT VALID');
  await deliver(bought.events);
  await stage.db.sql('ALTER TABLE stripe_payments DROP CONSTRAINT no_room');
  expect(await stage.balanceOf(bought.userId)).toBe(100);
  await ignoreEvent(stage.db.pool, { id: completedOf(bought).id, note });
  expect(await listAccepted(stage.db.pool)).toEqual([]);
  expect(await apply()).toMatchObject({ repaired: 1, left: 0 });
  await deliver(stage.fake.refundPayment(bought.intent).events);
  expect(await stage.balanceOf(bought.userId)).toBe(0);
});

test('a retry that cannot be, since the payload is removed, takes nothing back', async () => {
  const bought = buyPack(stage, { price: fresh('price') });
  await deliver(bought.events);
  const { id } = completedOf(bought);
  await ignoreEvent(stage.db.pool, { id, note });
  await stage.db.sql(
    'UPDATE stripe_events SET payload = NULL, payload_removed_at = now() WHERE id = $1',
    [id],
  );
  expect(await retryEvent(stage.db.pool, { id, note: null })).toContain('payload');
  expect(await listAccepted(stage.db.pool)).toMatchObject([{ object: bought.session, note }]);
});

test('what a reconciliation has told of before is told no more', async () => {
  const bought = buyPack(stage, { price: fresh('price') });
  await deliver(bought.events);
  expect(await apply()).toMatchObject({ left: 1 });
  await ignoreEvent(stage.db.pool, { id: completedOf(bought).id, note });
  expect(await listAccepted(stage.db.pool)).toMatchObject([
    { object: bought.session, code: 'ignored', amount: 100, credits: null, note, changed: null },
  ]);
  expect(await apply()).toMatchObject({ found: 0, left: 0 });
});

test('a payment that cannot be read is accepted, too', async () => {
  const bought = buyPack(stage);
  const completed = completedOf(bought);
  const object = { ...completed.data.object, amount_total: null };
  expect(await stage.deliver({ ...completed, data: { object } })).toBe('parked');
  await ignoreEvent(stage.db.pool, { id: completed.id, note });
  expect(await apply()).toMatchObject({ left: 0 });
  expect(await stage.balanceOf(bought.userId)).toBe(0);
});

test('a retry undoes only what ignoring the event has accepted', async () => {
  const price = fresh('price');
  const bought = buyPack(stage, { price });
  await deliver(bought.events);
  const { id } = completedOf(bought);
  await ignoreEvent(stage.db.pool, { id, note });
  await stage.db.sql("UPDATE stripe_findings SET note = 'accepted by bob: a gift'");
  expect(await retryEvent(stage.db.pool, { id, note: null })).toBeNull();
  await publishPrices(stage.db, new Map([[price, 70]]));
  await attemptAgain(stage);
  const reason = 'accepted by bob: a gift';
  expect(await stage.stored({ id })).toMatchObject({ state: 'ignored', reason });
  expect(await stage.balanceOf(bought.userId)).toBe(0);
});

test('nor does it undo what a reconciliation was told to leave, though that has ignored the event', async () => {
  const price = fresh('price');
  const bought = buyPack(stage, { price });
  await deliver(bought.events);
  const finding = (await apply()).findings.find(({ object }) => object === bought.session);
  const reason = 'accepted by bob: a gift';
  const seen = { object: bought.session, mark: markOf(finding ?? expect.unreachable()) };
  expect(await acceptFinding(stage.db.pool, { ...seen, note: reason })).toMatchObject({ ok: true });
  const { id } = completedOf(bought);
  expect(await retryEvent(stage.db.pool, { id, note: null })).toBeNull();
  await publishPrices(stage.db, new Map([[price, 70]]));
  await attemptAgain(stage);
  expect(await stage.stored({ id })).toMatchObject({ state: 'ignored', reason });
  expect(await stage.balanceOf(bought.userId)).toBe(0);
});

test('an attempt that had granted says so, although its event was ignored meanwhile', async () => {
  const bought = buyPack(stage, { price: fresh('price') });
  await deliver(bought.events);
  const { id } = completedOf(bought);
  const { inbox } = stage.receiver.processing;
  await stage.db.sql('UPDATE stripe_events SET next_attempt_at = now() WHERE id = $1', [id]);
  const [claim] = await inbox.claim(1);
  expect(claim).toMatchObject({ id });
  await ignoreEvent(stage.db.pool, { id, note });
  if (claim)
    await inbox.settle(claim, {
      state: 'parked',
      reason: 'late',
      waitsFor: [],
      patience: { first: 2, longest: 2 },
    });
  expect(await stage.stored({ id })).toMatchObject({ state: 'ignored', reason: note });
  if (claim) expect(await inbox.settle(claim, { state: 'done' })).toBe('done');
  expect(await stage.stored({ id })).toMatchObject({ state: 'done', due_in: null });
});
