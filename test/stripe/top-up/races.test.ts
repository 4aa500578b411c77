import { expect, test } from 'vitest';
import { createTopUpAttempts } from '../../../src/stripe/top-up/attempts.ts';
import { holdRows, lockWaits } from '../../support/database.ts';
import {
  afterBackOff,
  attemptsOf,
  deliverAll,
  get,
  optIn,
  paidInvoicesOf,
  put,
  saveCard,
  shop,
  spend,
  useShop,
} from './harness.ts';

useShop();

/** Stripe charges at once, and the answer to that takes its time. */
function answerLate(): void {
  const ofInvoice = { kind: 'slow', path: '/v1/invoices/in_', method: 'POST', times: 1 } as const;
  // Finalizing is the first request about the invoice, paying the second.
  shop.fake.setFault([
    { ...ofInvoice, ms: 0 },
    { ...ofInvoice, ms: 1_500, after: true },
  ]);
}

const waits = () => lockWaits(shop.database);

const failuresLogged = () => shop.log.filter((line) => line.includes('an auto top-up failed'));

test('the answer of a charge and a look after its event come at once, and neither fails', async () => {
  await optIn('ada');
  answerLate();
  await spend('ada', 100);
  await expect.poll(() => paidInvoicesOf('ada')).toHaveLength(1);
  await deliverAll();
  const held = await holdRows(
    shop.database,
    "SELECT FROM auto_top_up_attempts WHERE user_id = 'ada' FOR UPDATE",
  );
  await expect.poll(waits, { timeout: 5_000 }).toBe(1);
  const looked = get('ada');
  await expect.poll(waits).toBe(2);
  await held.release();
  expect(await looked).toMatchObject({ status: 200, body: { data: { in_progress: false } } });
  await shop.sweepTopUps();
  expect(failuresLogged()).toEqual([]);
  expect(await attemptsOf('ada')).toMatchObject([{ state: 'granted' }]);
});

test('a failure is written and another attempt is begun at once, and neither fails', async () => {
  await shop.give('eve', 50);
  await saveCard('eve', 'card_declined');
  answerLate();
  await put('eve');
  await expect.poll(() => attemptsOf('eve')).toMatchObject([{ state: 'open' }]);
  const held = await holdRows(
    shop.database,
    "SELECT FROM auto_top_ups WHERE user_id = 'eve' FOR UPDATE",
  );
  const begun = createTopUpAttempts(shop.database.pool).begin('eve', 1);
  await expect.poll(waits, { timeout: 5_000 }).toBe(2);
  await held.release();
  expect(await begun).toBeNull();
  await shop.sweepTopUps();
  expect(failuresLogged()).toEqual([]);
  expect(await attemptsOf('eve')).toMatchObject([{ state: 'failed', reason: 'card_declined' }]);
});

test('a charge ends the failures before it, also when its event comes before its answer', async () => {
  await shop.give('bob', 50);
  const card = await saveCard('bob', 'card_declined');
  const answerWith = (offSession: 'succeeds' | 'card_declined') => {
    const { store } = shop.fake;
    store.save({ ...store.need('payment_method', card), offSession });
  };
  const decline = async () => {
    answerWith('card_declined');
    await afterBackOff('bob');
    await shop.sweepTopUps();
  };
  await put('bob');
  await shop.sweepTopUps();
  await decline();
  answerWith('succeeds');
  answerLate();
  await afterBackOff('bob');
  const swept = shop.sweepTopUps();
  await expect.poll(() => paidInvoicesOf('bob')).toHaveLength(1);
  await deliverAll();
  expect((await get('bob')).body.data).toMatchObject({ in_progress: false, retry_at: null });
  await swept;
  const states = async () => (await attemptsOf('bob')).map(({ state }) => state);
  answerWith('card_declined');
  // Which is noticed, and has the card charged, by itself.
  await spend('bob', 500);
  await expect.poll(states).toEqual(['failed', 'failed', 'granted', 'failed']);
  await decline();
  expect(await states()).toEqual(['failed', 'failed', 'granted', 'failed', 'failed']);
  expect((await get('bob')).body.data.enabled).toBe(true);
});

test('the decline of a card is not held against the one that has replaced it meanwhile', async () => {
  await shop.give('cyd', 50);
  await saveCard('cyd', 'card_declined');
  answerLate();
  await put('cyd');
  await expect.poll(() => attemptsOf('cyd')).toMatchObject([{ state: 'open' }]);
  await saveCard('cyd');
  await put('cyd');
  await expect.poll(() => paidInvoicesOf('cyd'), { timeout: 5_000 }).toHaveLength(1);
  await deliverAll();
  expect((await get('cyd')).body.data).toMatchObject({ enabled: true, retry_at: null });
  const states = (await attemptsOf('cyd')).map(({ state }) => state);
  expect(states).toEqual(['failed', 'granted']);
});
