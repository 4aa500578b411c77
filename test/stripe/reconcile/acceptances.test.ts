import { expect, test } from 'vitest';
import {
  acceptFinding,
  listAccepted,
  markOf,
  unacceptFindings,
} from '../../../src/stripe/reconcile/acceptances.ts';
import { isInOrder } from '../../../src/stripe/reconcile/report.ts';
import {
  buyLongAgo,
  buyPack,
  forgetEvents,
  passBy,
  reconcileOn,
  stage,
  useReconcileStage,
  writeInvoice,
} from '../../support/reconcile.ts';
import { publishPrices, until } from '../../support/stripe.ts';

useReconcileStage();

const apply = () => reconcileOn(stage, { apply: true });
const note = 'accepted by alice: a gift';

/** Accepts the one thing that a run leaves. */
async function acceptWhatIsLeft() {
  const [finding] = (await apply()).findings;
  if (!finding) throw new Error('nothing is left');
  const { object } = finding;
  const accepted = await acceptFinding(stage.db.pool, { object, mark: markOf(finding), note });
  expect(accepted).toMatchObject({ ok: true });
}

/** Accepts the one thing that is left about an object. */
async function acceptLeft(object: string) {
  const shown = await acceptFinding(stage.db.pool, { object, mark: null, note });
  const [finding] = shown.ok ? [] : shown.left;
  if (!finding) throw new Error('nothing is left');
  const accepted = await acceptFinding(stage.db.pool, { object, mark: markOf(finding), note });
  expect(accepted).toMatchObject({ ok: true });
  return finding;
}

test('what was accepted stays so when its event comes after all, which is then ignored', async () => {
  const { userId, events } = buyPack(stage, { price: 'price_later' });
  forgetEvents(stage);
  await acceptWhatIsLeft();
  for (const event of events) await stage.deliver(event);
  expect(await apply()).toMatchObject({ found: 0, problems: [] });
  const states = () => stage.db.sql('SELECT state, reason FROM stripe_events');
  expect(await states()).toContainEqual({ state: 'ignored', reason: note });
  await publishPrices(stage.db, new Map([['price_later', 70]]));
  // What is delivered now is carried out after everything that the price has woken.
  const other = buyPack(stage, { price: 'price_later' });
  for (const event of other.events) await stage.deliver(event);
  await until(async () => (await stage.balanceOf(other.userId)) === 70);
  expect(await stage.balanceOf(userId)).toBe(0);
  expect(await states()).not.toContainEqual(expect.objectContaining({ state: 'parked' }));
});

test('what was accepted stays so while Stripe does not say what it is worth', async () => {
  const { session } = buyPack(stage, { price: 'price_later' });
  forgetEvents(stage);
  await acceptWhatIsLeft();
  const path = `/v1/checkout/sessions/${session}/line_items`;
  stage.fake.setFault({ kind: 'error', status: 500, path });
  for (const run of [{ apply: false }, { apply: true }]) {
    expect(await reconcileOn(stage, run)).toMatchObject({ found: 0, problems: [] });
  }
});

const unseen = {
  async 'a payment'() {
    const { id } = writeInvoice(stage, 'consulting', 12);
    return { object: id, path: `/v1/invoices/${id}/lines` };
  },
  async 'a payment that granted'() {
    const { session } = await buyLongAgo(stage);
    return { object: session, path: `/v1/checkout/sessions/${session}` };
  },
};

test.each(Object.entries(unseen))(
  '%s that could not be looked at can be accepted, and is told no more',
  async (_, make) => {
    const { object, path } = await make();
    forgetEvents(stage);
    stage.fake.setFault({ kind: 'error', status: 500, path });
    expect((await apply()).problems).toHaveLength(1);
    expect(await acceptLeft(object)).toMatchObject({ code: 'unanswered', object });
    for (const run of [{ apply: false }, { apply: true }]) {
      expect(await reconcileOn(stage, run)).toMatchObject({ found: 0, problems: [] });
    }
  },
);

const answersLater = {
  async 'a session without credits'() {
    const { session } = buyPack(stage);
    forgetEvents(stage);
    const path = `/v1/checkout/sessions/${session}/line_items`;
    return { object: session, path, credits: 100, change: () => {} };
  },
  async 'a manual invoice without credits'() {
    await publishPrices(stage.db, new Map([['by_hand', { credits: 10, manual: 'grant' }]]));
    const { id } = writeInvoice(stage, 'by_hand', 12);
    forgetEvents(stage);
    return { object: id, path: `/v1/invoices/${id}/lines`, credits: 120, change: () => {} };
  },
  async 'a session that granted'() {
    const { session, setPaid } = await buyLongAgo(stage);
    forgetEvents(stage);
    const change = () => setPaid(false);
    return { object: session, path: `/v1/checkout/sessions/${session}`, credits: -100, change };
  },
};

test.each(Object.entries(answersLater))(
  '%s that was accepted unseen is told as soon as Stripe answers',
  async (_, make) => {
    const { object, path, credits, change } = await make();
    stage.fake.setFault({ kind: 'error', status: 500, path });
    await apply();
    await acceptLeft(object);
    for (const run of [{ apply: true }, { apply: false }, { apply: true }]) {
      expect(await reconcileOn(stage, run)).toMatchObject({ found: 0, problems: [] });
    }
    stage.fake.setFault(null);
    change();
    await passBy(stage);
    const done = 'it has changed since it was accepted';
    expect(await reconcileOn(stage)).toMatchObject({ findings: [{ object, credits }] });
    for (const _ of ['once', 'and again']) {
      expect(await apply()).toMatchObject({ findings: [{ object, credits, done }], left: 1 });
    }
    stage.fake.setFault({ kind: 'error', status: 500, path });
    expect(isInOrder(await apply())).toBe(false);
    stage.fake.setFault(null);
    const [changed] = await listAccepted(stage.db.pool);
    expect(changed).toMatchObject({ object, changed: expect.any(String) });
    await unacceptFindings(stage.db.pool, object);
    expect(await apply()).toMatchObject({ found: 1, repaired: credits > 0 ? 1 : 0 });
  },
);

test('what was accepted unseen is forgotten when Stripe says that it is in order', async () => {
  const { session } = await buyLongAgo(stage);
  forgetEvents(stage);
  stage.fake.setFault({ kind: 'error', status: 500, path: `/v1/checkout/sessions/${session}` });
  await apply();
  await acceptLeft(session);
  stage.fake.setFault(null);
  expect(await apply()).toMatchObject({ found: 0, problems: [] });
  expect(await listAccepted(stage.db.pool)).toEqual([]);
});

test('what was accepted unseen has had its turn: the next run asks for the next', async () => {
  const bought = [await buyLongAgo(stage), await buyLongAgo(stage)];
  const [broken, next] = bought.map(({ session }) => session);
  forgetEvents(stage);
  stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/checkout/sessions/' });
  await apply();
  for (const { session } of bought) await acceptLeft(session);
  await passBy(stage);
  stage.fake.setFault({ kind: 'error', status: 500, path: `/v1/checkout/sessions/${broken}` });
  await stage.db.sql("UPDATE stripe_findings SET looked_at = '2020-01-01' WHERE object = $1", [
    broken,
  ]);
  for (const _ of [broken, next]) await reconcileOn(stage, { apply: true, inTurn: 1 });
  const accepted = (await listAccepted(stage.db.pool)).map(({ object }) => object);
  expect(accepted).toContain(broken);
  expect(accepted).not.toContain(next);
});

test('objects that were accepted unseen make no run incomplete, however many', async () => {
  const ids = Array.from({ length: 4 }, () => writeInvoice(stage, 'consulting', 12).id);
  forgetEvents(stage);
  stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/invoices/' });
  await apply();
  await reconcileOn(await stage.restart(), { apply: true });
  for (const id of ids) await acceptLeft(id);
  const other = await stage.restart();
  expect(await reconcileOn(other, { apply: true })).toMatchObject({ found: 0, problems: [] });
});

test('of a payment that granted, only the finding is accepted: its event waits on', async () => {
  const { session, events, setPaid } = await buyLongAgo(stage);
  const { id } = events.find(({ type }) => type === 'checkout.session.completed') ?? {};
  forgetEvents(stage);
  setPaid(false);
  await apply();
  await acceptLeft(session);
  const state = async () =>
    (await stage.db.sql('SELECT state, reason FROM stripe_events WHERE id = $1', [id]))[0];
  // Somebody retries it: that is not what was accepted.
  await stage.db.sql(
    `UPDATE stripe_events SET state = 'received', next_attempt_at = now() + interval '1 hour',
            settled_at = NULL WHERE id = $1`,
    [id],
  );
  expect(await apply()).toMatchObject({ found: 0 });
  expect(await state()).toMatchObject({ state: 'received' });
});

test('what a run sees at the moment of the acceptance is not accepted with it', async () => {
  const { session: object } = buyPack(stage, { price: 'price_later' });
  forgetEvents(stage);
  const [finding] = (await apply()).findings;
  if (!finding) throw new Error('nothing is left');
  const other = await stage.db.pool.connect();
  await other.query('BEGIN');
  await other.query("UPDATE stripe_findings SET credits = 70, code = 'not_carried_out'");
  const accepting = acceptFinding(stage.db.pool, { object, mark: markOf(finding), note });
  await until(async () => (await waitingForLocks()) > 0);
  await other.query('COMMIT');
  other.release();
  expect(await accepting).toMatchObject({ ok: false, left: [{ object, credits: 70 }] });
  expect(await listAccepted(stage.db.pool)).toEqual([]);
});

test('what is accepted no more while a run looks at it is attempted, and keeps its figures', async () => {
  const { session: object, events } = buyPack(stage, { price: 'price_later' });
  for (const event of events) await stage.deliver(event);
  await acceptWhatIsLeft();
  const other = await stage.db.pool.connect();
  await other.query('BEGIN');
  await other.query('LOCK TABLE stripe_findings IN EXCLUSIVE MODE');
  const run = apply();
  await until(async () => (await waitingForLocks()) > 0);
  expect(await unacceptFindings(other, object)).toHaveLength(1);
  await other.query('COMMIT');
  other.release();
  expect(await run).toMatchObject({ found: 0 });
  const [event] = await stage.db.sql('SELECT state FROM stripe_events WHERE object_id = $1', [
    object,
  ]);
  expect(event).toEqual({ state: 'parked' });
  const shown = await acceptFinding(stage.db.pool, { object, mark: null, note });
  expect(shown).toMatchObject({ left: [{ object, code: 'unknown_price', amount: 100 }] });
});

async function waitingForLocks(): Promise<number> {
  const [row] = await stage.db.sql(
    `SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return Number(row?.['n']);
}
