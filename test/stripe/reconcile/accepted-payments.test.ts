import { beforeEach, describe, expect, test } from 'vitest';
import {
  acceptFinding,
  listAccepted,
  markOf,
  unacceptFindings,
} from '../../../src/stripe/reconcile/acceptances.ts';
import { attemptAgain, makeAllDue } from '../../support/inbox.ts';
import {
  buyPack,
  forgetEvents,
  reconcileOn,
  stage,
  useReconcileStage,
} from '../../support/reconcile.ts';
import { publishPrices } from '../../support/stripe.ts';

useReconcileStage();

const apply = () => reconcileOn(stage, { apply: true });
const note = 'accepted by alice: a gift';
const ignored = { state: 'ignored', reason: note };

let bought: ReturnType<typeof buyPack>;
beforeEach(() => {
  bought = buyPack(stage, { price: 'price_later' });
});

async function accept() {
  const [finding] = (await apply()).findings.filter(({ object }) => object === bought.session);
  if (!finding) throw new Error('nothing is left');
  const { object } = finding;
  const done = await acceptFinding(stage.db.pool, { object, mark: markOf(finding), note });
  expect(done).toMatchObject({ ok: true });
}

const publish = () => publishPrices(stage.db, new Map([['price_later', 70]]));

async function deliver(events = bought.events) {
  for (const event of events) await stage.deliver(event);
}

const ofSession = () =>
  stage.db.sql('SELECT state, reason FROM stripe_events WHERE object_id = $1', [bought.session]);

describe('a payment that is accepted grants nothing, though its price is known by now', () => {
  test('when its event arrives; --unaccept grants it, less what was refunded meanwhile', async () => {
    forgetEvents(stage);
    await accept();
    await publish();
    await deliver();
    expect(await ofSession()).toEqual([ignored]);
    const { events } = stage.fake.refundPayment(bought.intent, { amount: 50 });
    await deliver(events);
    expect(
      await stage.db.sql("SELECT state, reason FROM stripe_events WHERE object_id LIKE 're_%'"),
    ).toContainEqual({ state: 'ignored', reason: expect.stringContaining(note) });
    expect(await stage.db.sql('SELECT FROM stripe_events WHERE next_attempt_at > now()')).toEqual(
      [],
    );
    expect(await stage.balanceOf(bought.userId)).toBe(0);
    expect(await stage.sync(bought.userId, bought.session)).toBe('nothing');
    expect(await unacceptFindings(stage.db.pool, bought.session)).toHaveLength(1);
    await apply();
    expect(await stage.balanceOf(bought.userId)).toBe(35);
  });

  test('when its buyer returns', async () => {
    forgetEvents(stage);
    await accept();
    await publish();
    expect(await stage.sync(bought.userId, bought.session)).toBe('nothing');
    expect(await stage.balanceOf(bought.userId)).toBe(0);
  });

  test('when its event was under way as it was accepted', async () => {
    await deliver();
    await apply();
    await makeAllDue(stage);
    const { inbox, attempt } = stage.receiver.processing;
    const claims = await inbox.claim(10);
    expect(claims).not.toEqual([]);
    await accept();
    await publish();
    for (const claim of claims) await attempt(claim);
    expect(await ofSession()).toEqual([ignored]);
    expect(await stage.balanceOf(bought.userId)).toBe(0);
  });
});

test('a payment that was granted as it was accepted is listed as such, and repeats change nothing', async () => {
  await deliver();
  const [finding] = (await apply()).findings;
  if (!finding) throw new Error('nothing is left');
  await publish();
  await stage.sync(bought.userId, bought.session);
  expect(await stage.balanceOf(bought.userId)).toBe(70);
  const { session: object } = bought;
  await acceptFinding(stage.db.pool, { object, mark: markOf(finding), note });
  expect(await listAccepted(stage.db.pool)).toMatchObject([
    { object, changed: 'it was granted all the same' },
  ]);
  await deliver(stage.fake.refundPayment(bought.intent).events);
  expect(await stage.balanceOf(bought.userId)).toBe(0);
});

test('--unaccept lets an event rest whose payload is gone, and a run grants what it told of', async () => {
  await deliver();
  await accept();
  await publish();
  await stage.db.sql('UPDATE stripe_events SET payload = NULL, payload_removed_at = now()');
  expect(await unacceptFindings(stage.db.pool, bought.session)).toEqual([]);
  expect(await ofSession()).toEqual([ignored]);
  await apply();
  expect(await stage.balanceOf(bought.userId)).toBe(70);
});

test.each(['before', 'after'])(
  'a payment that was granted and not recorded, and is accepted as seen %s that, is recorded: its refund takes',
  async (when) => {
    await deliver();
    const { findings: before } = await apply();
    await publish();
    // As when the server dies in between.
    const trap = 'ALTER TABLE stripe_payments ADD CONSTRAINT no_room CHECK (false) NOT VALID';
    await stage.db.sql(trap);
    await attemptAgain(stage);
    const { findings: after } = when === 'after' ? await apply() : { findings: before };
    await stage.db.sql('ALTER TABLE stripe_payments DROP CONSTRAINT no_room');
    expect(await stage.balanceOf(bought.userId)).toBe(70);
    const [finding] = after;
    if (!finding) throw new Error('nothing is left');
    const { object } = finding;
    await acceptFinding(stage.db.pool, { object, mark: markOf(finding), note });
    expect(await listAccepted(stage.db.pool)).toMatchObject([
      { object, changed: 'it was granted all the same' },
    ]);
    await apply();
    await attemptAgain(stage);
    await deliver(stage.fake.refundPayment(bought.intent).events);
    expect(await stage.balanceOf(bought.userId)).toBe(0);
  },
);

test('a receipt that is accepted unseen speaks for its checkout, too', async () => {
  await publishPrices(stage.db, new Map([['by_hand', { credits: 10, manual: 'grant' }]]));
  const { fake } = stage;
  const about = { userId: 'ann', lines: [{ price: 'by_hand' }], invoiceCreation: true };
  const { object, events } = fake.paySession(fake.createSession(about).id);
  const receipt = String(object['invoice']);
  fake.setFault({ kind: 'error', status: 500, path: '/v1/checkout/sessions' });
  forgetEvents(stage);
  await apply();
  const shown = await acceptFinding(stage.db.pool, { object: receipt, mark: null, note });
  const [finding] = shown.ok ? [] : shown.left;
  if (!finding) throw new Error('it could be looked at');
  await acceptFinding(stage.db.pool, { object: receipt, mark: markOf(finding), note });
  fake.setFault(null);
  await deliver(events);
  expect(await stage.balanceOf('ann')).toBe(0);
});
