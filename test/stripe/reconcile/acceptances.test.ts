import { expect, test } from 'vitest';
import { acceptFinding, markOf } from '../../../src/stripe/reconcile/acceptances.ts';
import {
  buyLongAgo,
  buyPack,
  forgetEvents,
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
    const shown = await acceptFinding(stage.db.pool, { object, mark: null, note });
    const [finding] = shown.ok ? [] : shown.left;
    expect(finding).toMatchObject({ code: 'unanswered', object });
    const mark = finding ? markOf(finding) : null;
    expect(await acceptFinding(stage.db.pool, { object, mark, note })).toMatchObject({ ok: true });
    for (const run of [{ apply: false }, { apply: true }]) {
      expect(await reconcileOn(stage, run)).toMatchObject({ found: 0, problems: [] });
    }
  },
);
