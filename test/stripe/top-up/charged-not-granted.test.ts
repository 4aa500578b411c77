import { expect, test } from 'vitest';
import { acceptFinding, markOf } from '../../../src/stripe/reconcile/acceptances.ts';
import { createReconciler } from '../../../src/stripe/reconcile/reconcile.ts';
import { runPurser } from '../../support/process.ts';
import {
  afterBackOff,
  attemptsOf,
  deliverAll,
  get,
  optIn,
  paidInvoicesOf,
  put,
  remove,
  saveCard,
  shop,
  spend,
  useShop,
  WISH,
} from './harness.ts';

useShop();

const purser = (...args: string[]) => runPurser(args, { env: { DATABASE_URL: shop.database.url } });

/** Somebody who was charged, and whose credits do not come. @returns the invoice */
async function charged(user: string): Promise<string> {
  await optIn(user);
  await spend(user, 100);
  await shop.sweepTopUps();
  const [invoice] = await paidInvoicesOf(user);
  return String(invoice?.id);
}

async function expectEnd(user: string, reason: RegExp): Promise<void> {
  await shop.sweepTopUps();
  expect((await get(user)).body.data).toMatchObject({
    ...{ enabled: false, in_progress: false, stopped_reason: 'not_granted' },
    spent_this_month: 500,
  });
  expect(await attemptsOf(user)).toEqual([
    { state: 'not_granted', reason: expect.stringMatching(reason) },
  ]);
  await put(user);
  await expect.poll(() => paidInvoicesOf(user)).toHaveLength(2);
}

test('an operator sees who was charged and has no credits', async () => {
  const invoice = await charged('ada');
  const listed = await purser('top-ups', 'list', '--state', 'charged', '--json');
  expect(JSON.parse(listed.stdout)).toEqual([
    {
      ...{ user_id: 'ada', state: 'charged', amount: 500, currency: 'usd', invoice, reason: null },
      ...{ started_at: expect.any(String), charged_at: expect.any(String) },
    },
  ]);
  await deliverAll();
  const none = await purser('top-ups', 'list', '--state', 'charged');
  expect(none.stdout).toBe('No auto top-up matches.\n');
  const { stdout } = await purser('top-ups', 'list', '--user', 'ada', '--limit', '1');
  expect(stdout).toMatch(/^started .*\n\d{4}-.* ada {3}granted {2}500 usd {2}\d{4}.* in_\S+ +-\n$/);
  expect((await purser('top-ups', 'list', '--user', 'nobody')).stdout).toMatch(/^No auto top-up/);
  const wrong = await purser('top-ups', 'list', '--state', 'lost');
  expect(wrong.code).toBe(2);
}, 60_000);

/** Lets the payment be for something that nobody knows. @returns its parked event */
async function park(invoice: string): Promise<string> {
  const event = shop.fake
    .events()
    .find(({ type, data }) => type === 'invoice.paid' && data.object['id'] === invoice);
  const text = JSON.stringify(event).replaceAll(WISH.price, 'price_unknown');
  expect(await shop.deliver([JSON.parse(text)])).toEqual(['parked']);
  return String(event?.id);
}

test('a payment whose event an operator ignores is over, and its user is told', async () => {
  const event = await park(await charged('bob'));
  await shop.sweepTopUps();
  expect((await get('bob')).body.data).toMatchObject({ enabled: true, in_progress: true });
  const { code } = await purser('events', 'ignore', event, '--why', 'paid back by hand');
  expect(code).toBe(0);
  await expectEnd('bob', /^ignored by .*: paid back by hand$/);
}, 60_000);

test('who switched it off before is not told so again; the card that paid has failed no more', async () => {
  await shop.give('dan', 50);
  const card = await saveCard('dan', 'card_declined');
  await put('dan');
  await shop.sweepTopUps();
  await afterBackOff('dan');
  const { store } = shop.fake;
  store.save({ ...store.need('payment_method', card), offSession: 'succeeds' });
  await shop.sweepTopUps();
  const [invoice] = await paidInvoicesOf('dan');
  const event = await park(String(invoice?.id));
  await remove('dan');
  await purser('events', 'ignore', event, '--why', 'paid back by hand');
  expect((await get('dan')).body.data).toMatchObject({
    ...{ enabled: false, in_progress: false, stopped_reason: null, retry_at: null },
  });
  expect(await attemptsOf('dan')).toMatchObject([{ state: 'failed' }, { state: 'not_granted' }]);
}, 60_000);

test('a payment that was accepted without credits is over, and its user is told', async () => {
  const invoice = await charged('cyd');
  // The event never arrived, and Stripe has forgotten it.
  shop.fake.advance(31 * 86_400);
  const { lines, ...record } = shop.fake.store.need('invoice', invoice);
  shop.fake.store.save({
    ...record,
    lines: lines.map(({ price, ...line }) => ({
      ...line,
      price: price && { ...price, id: 'price_unknown' },
    })),
  });
  const { database, processing, app } = shop;
  const { pool } = database;
  const reconciler = createReconciler({ pool, processing, livemode: false, log: app.log });
  const report = await reconciler.run({ apply: true, since: null });
  const left = report?.findings.find(({ object }) => object === invoice);
  expect(left).toMatchObject({ kind: 'paid-but-not-granted' });
  if (left) await acceptFinding(pool, { object: invoice, mark: markOf(left), note: 'a gift' });
  await expectEnd('cyd', /^a gift$/);
}, 60_000);
