import { expect, test } from 'vitest';
import { CREDITS } from '../../support/shop.ts';
import { publishPrices } from '../../support/stripe.ts';
import {
  afterBackOff,
  afterLease,
  attemptsOf,
  deliverAll,
  get,
  hold,
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

/** In SQL: its last second. */
const LAST_MONTH = `date_trunc('month', now(), 'UTC') - interval '1 s'`;

/** A server looks until it finds nothing more to do, told all that Stripe tells meanwhile. */
async function lookAgain(server = shop): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await server.sweepTopUps();
    await deliverAll();
  }
}

test('a top-up that leaves too few credits is the last one until some are used', async () => {
  await shop.give('ada', 600);
  await saveCard('ada');
  await put('ada', { ...WISH, threshold: 500, monthly_cap: 10_000 });
  // One top-up does not reach the threshold any more.
  await publishPrices(shop.database, new Map([...CREDITS, [WISH.price, 20]]));
  const other = await shop.another();
  const key = await shop.makeKey('admin');
  await spend('ada', 500, other);
  const uses: readonly (() => Promise<unknown>)[] = [
    () => hold('ada', 'h1', 5, other),
    () => other.call('POST', '/api/v1/users/ada/holds/h1/capture', { key, body: { units: 2 } }),
    () => spend('ada', 1, other),
  ];
  for (const [i, use] of uses.entries()) {
    await lookAgain(other);
    expect(await paidInvoicesOf('ada')).toHaveLength(i + 1);
    await use();
  }
  await lookAgain(other);
  expect(await paidInvoicesOf('ada')).toHaveLength(4);
  expect(await shop.balanceOf('ada')).toBe(100 + 4 * 20 - 3);
  await publishPrices(shop.database, CREDITS);
  await other.close();
});

test('a top-up that a refund has swallowed is not repeated before some are used', async () => {
  const session = await shop.opened('bob', { price: WISH.price });
  const { object } = shop.fake.paySession(session);
  await deliverAll();
  await spend('bob', 450);
  await saveCard('bob');
  await put('bob');
  await expect.poll(() => paidInvoicesOf('bob')).toHaveLength(1);
  shop.fake.refundPayment(String(object['payment_intent']));
  await lookAgain();
  expect(await shop.balanceOf('bob')).toBe(50);
  await put('bob');
  await lookAgain();
  expect(await paidInvoicesOf('bob')).toHaveLength(1);
  await spend('bob', 1);
  await lookAgain();
  expect(await paidInvoicesOf('bob')).toHaveLength(2);
});

test('the cap counts what was charged this month, whenever it was begun', async () => {
  await optIn('cyd', { ...WISH, monthly_cap: 500 });
  shop.fake.setFault({ kind: 'error', status: 500 });
  await spend('cyd', 100);
  await shop.sweepTopUps();
  shop.fake.setFault(null);
  await shop.database.sql(
    `UPDATE auto_top_up_attempts SET started_at = ${LAST_MONTH} WHERE user_id = 'cyd'`,
  );
  expect((await get('cyd')).body.data.spent_this_month).toBe(500);
  await afterLease('cyd');
  await lookAgain();
  await spend('cyd', 500);
  await lookAgain();
  expect(await paidInvoicesOf('cyd')).toHaveLength(1);
  expect((await get('cyd')).body.data.spent_this_month).toBe(500);
});

test('a charge is of the month in which Stripe made it, whenever that is learned', async () => {
  await optIn('dan', { ...WISH, monthly_cap: 500 });
  await spend('dan', 100);
  await shop.sweepTopUps();
  const [invoice] = await paidInvoicesOf('dan');
  const [{ at } = { at: 0 }] = await shop.database.sql<{ at: number }>(
    `SELECT extract(epoch FROM ${LAST_MONTH})::int AS at`,
  );
  if (invoice) shop.fake.store.save({ ...invoice, paidAt: at });
  // Its server was killed before it had the answer.
  await shop.database.sql(
    `UPDATE auto_top_up_attempts SET state = 'open', charged_at = NULL WHERE user_id = 'dan'`,
  );
  await afterLease('dan');
  await lookAgain();
  expect((await get('dan')).body.data.spent_this_month).toBe(0);
  // As a release that did not write it down.
  await shop.database.sql(
    `UPDATE auto_top_up_attempts SET charged_at = NULL WHERE user_id = 'dan'`,
  );
  expect((await get('dan')).body.data.spent_this_month).toBe(500);
});

test('a declined card is not tried more often by who switches it off and on', async () => {
  await shop.give('eve', 50);
  await saveCard('eve', 'card_declined');
  for (let i = 0; i < 5; i++) {
    await put('eve');
    await shop.sweepTopUps();
    await afterBackOff('eve');
    await remove('eve');
  }
  expect(await attemptsOf('eve')).toHaveLength(5);
  await put('eve');
  await shop.sweepTopUps();
  expect((await get('eve')).body.data).toMatchObject({
    ...{ enabled: false, stopped_reason: 'card_declined', retry_at: expect.any(String) },
  });
  await remove('eve');
  await put('eve');
  await shop.sweepTopUps();
  expect(await attemptsOf('eve')).toHaveLength(6);
});

test('who saves a card anew after each decline has it charged a few times a day, and no more', async () => {
  await shop.give('fay', 50);
  for (let i = 0; i < 12; i++) {
    await saveCard('fay', 'card_declined');
    await put('fay');
    await shop.sweepTopUps();
  }
  expect(await attemptsOf('fay')).toHaveLength(5);
  expect((await get('fay')).body.data).toMatchObject({ retry_at: expect.any(String) });
  await shop.database.sql(
    `UPDATE auto_top_up_attempts SET ended_at = ended_at - interval '1 day' WHERE user_id = 'fay'`,
  );
  await saveCard('fay');
  await put('fay');
  await expect.poll(() => paidInvoicesOf('fay')).toHaveLength(1);
  await deliverAll();
});

test('who saves another card during each charge has it charged a few times a day, and no more', async () => {
  await shop.give('hal', 50);
  shop.fake.setFault({ kind: 'slow', ms: 200, method: 'POST', path: '/v1/invoices/in_' });
  for (let i = 0; i < 12; i++) {
    await saveCard('hal', 'card_declined');
    await put('hal');
    const isChargedOrPaused = async () =>
      (await attemptsOf('hal')).length > i || (await get('hal')).body.data.retry_at !== null;
    await expect.poll(isChargedOrPaused, { timeout: 5_000 }).toBe(true);
  }
  await shop.sweepTopUps();
  expect(await attemptsOf('hal')).toHaveLength(6);
  expect((await get('hal')).body.data).toMatchObject({ retry_at: expect.any(String) });
});

test('however many charges succeeded that day, another card begins anew', async () => {
  await optIn('gus', { ...WISH, monthly_cap: 10_000 });
  for (let i = 0; i < 5; i++) {
    await spend('gus', (await shop.balanceOf('gus')) - 50);
    await shop.sweepTopUps();
    await deliverAll();
  }
  await saveCard('gus', 'card_declined');
  await put('gus', { ...WISH, monthly_cap: 10_000 });
  await spend('gus', 500);
  await shop.sweepTopUps();
  expect((await attemptsOf('gus')).at(-1)).toMatchObject({ reason: 'card_declined' });
  await saveCard('gus');
  await put('gus', { ...WISH, monthly_cap: 10_000 });
  await expect.poll(() => paidInvoicesOf('gus')).toHaveLength(6);
  await deliverAll();
});
