import { expect, test } from 'vitest';
import { createTopUpSettings } from '../../../src/stripe/top-up/settings.ts';
import { lockWaits } from '../../support/database.ts';
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
  saveCard,
  shop,
  spend,
  useShop,
  WISH,
} from './harness.ts';

useShop();

test('fewer than the threshold are too few, and exactly as many are enough', async () => {
  await optIn('ada');
  await spend('ada', 50);
  await shop.sweepTopUps();
  expect(await attemptsOf('ada')).toEqual([]);
  await spend('ada', 1);
  await expect.poll(() => paidInvoicesOf('ada')).toHaveLength(1);
});

test('a debit of a batch is noticed as any other', async () => {
  await optIn('bea');
  await shop.sweepTopUps();
  const body = { items: [{ user_id: 'bea', units: 100 }] };
  await shop.call('POST', '/api/v1/debits/batch', { key: await shop.makeKey('admin'), body });
  await expect.poll(() => paidInvoicesOf('bea')).toHaveLength(1);
});

test.each(['as soon as it is opened', 'by a sweep'])('a hold is noticed %s', async (how) => {
  const user = `bob-${how}`;
  await optIn(user);
  const other = await shop.another();
  // The look that follows the PUT is over, and the other server has not heard of the user.
  await shop.sweepTopUps();
  await hold(user, `h-${how.length}`, 100, how === 'by a sweep' ? other : shop);
  if (how === 'by a sweep') await shop.sweepTopUps();
  await expect.poll(() => paidInvoicesOf(user)).toHaveLength(1);
  await other.close();
});

test('what happens while a look is under way is looked at after it', async () => {
  await optIn('cyd');
  const paying = { kind: 'slow', path: '/v1/invoices/in_', method: 'POST', times: 1 } as const;
  // Finalized at once, paid at once, and the answer to that takes its time.
  shop.fake.setFault([
    { ...paying, ms: 0 },
    { ...paying, ms: 2_000, after: true },
  ]);
  await spend('cyd', 100);
  await expect.poll(() => paidInvoicesOf('cyd')).toHaveLength(1);
  await deliverAll();
  await spend('cyd', 500);
  await expect.poll(() => paidInvoicesOf('cyd'), { timeout: 10_000 }).toHaveLength(2);
});

test('an attempt that is taken up is nobody else’s for a while', async () => {
  await optIn('dan');
  shop.fake.setFault({ kind: 'error', status: 500 });
  await spend('dan', 100);
  await shop.sweepTopUps();
  await afterLease('dan');
  await shop.sweepTopUps();
  const requests = shop.fake.requests();
  await shop.sweepTopUps();
  expect(shop.fake.requests()).toBe(requests);
  expect(await attemptsOf('dan')).toEqual([{ state: 'open', reason: null }]);
});

test('a look that waits for another one sees what that has left', async () => {
  await optIn('eve');
  await spend('eve', 100);
  await shop.sweepTopUps();
  const other = await shop.another();
  const client = await shop.database.pool.connect();
  await client.query('BEGIN');
  await client.query("SELECT FROM auto_top_ups WHERE user_id = 'eve' FOR UPDATE");
  await client.query(
    `UPDATE auto_top_up_attempts SET state = 'granted', ended_at = now() WHERE user_id = 'eve'`,
  );
  const looked = other.sweepTopUps();
  await expect.poll(() => lockWaits(shop.database)).toBe(1);
  await deliverAll();
  await client.query('COMMIT');
  client.release();
  await looked;
  expect(await shop.balanceOf('eve')).toBe(550);
  expect(await paidInvoicesOf('eve')).toHaveLength(1);
  await other.close();
});

test('a page of those who opted in begins after the last one of the page before', async () => {
  for (const user of ['fay-1', 'fay-2', 'fay-3']) await optIn(user);
  const { watched } = createTopUpSettings(shop.database.pool);
  const names = async (after: string) => (await watched(after, 2)).map(({ userId }) => userId);
  expect(await names('fay')).toEqual(['fay-1', 'fay-2']);
  expect(await names('fay-2')).toEqual(['fay-3']);
});

test('failures count in a row: a charge that succeeds ends it', async () => {
  await shop.give('gus', 50);
  const card = await saveCard('gus', 'card_declined');
  await put('gus');
  await shop.sweepTopUps();
  const answers = ['card_declined', 'succeeds', 'card_declined', 'card_declined'] as const;
  for (const offSession of answers) {
    const { fake } = shop;
    fake.store.save({ ...fake.store.need('payment_method', card), offSession });
    await afterBackOff('gus');
    const balance = await shop.balanceOf('gus');
    if (balance > 50) await spend('gus', balance - 50);
    await shop.sweepTopUps();
    await deliverAll();
  }
  const states = (await attemptsOf('gus')).map(({ state }) => state);
  expect(states).toEqual(['failed', 'failed', 'granted', 'failed', 'failed']);
  expect((await get('gus')).body.data.enabled).toBe(true);
});

test('the cap is of one currency', async () => {
  const { product } = shop.fake.store.need('price', WISH.price);
  shop.fake.createPrice({ id: 'price_euro', product, unitAmount: 500, currency: 'eur' });
  await publishPrices(shop.database, new Map([...CREDITS, ['price_euro', 500]]));
  await optIn('hal', { ...WISH, monthly_cap: 500 });
  await spend('hal', 100);
  await shop.sweepTopUps();
  await deliverAll();
  const server = await shop.another();
  const { data } = (
    await server.call('PUT', '/api/v1/me/auto-top-up', {
      as: 'hal',
      body: { ...WISH, price: 'price_euro', monthly_cap: 500 },
    })
  ).body;
  expect(data).toMatchObject({ currency: 'eur', spent_this_month: 0 });
  await spend('hal', 500, server);
  await server.sweepTopUps();
  expect((await paidInvoicesOf('hal')).map(({ currency }) => currency)).toEqual(['usd', 'eur']);
  await server.close();
});
