import { expect, test } from 'vitest';
import { CREDITS } from '../../support/shop.ts';
import { publishPrices } from '../../support/stripe.ts';
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

test('a debit that leaves too few credits charges the saved card, and its event grants', async () => {
  await optIn('ada');
  await spend('ada', 60);
  await expect.poll(() => paidInvoicesOf('ada')).toHaveLength(1);
  expect(await shop.balanceOf('ada')).toBe(90);
  expect((await get('ada')).body.data).toMatchObject({ in_progress: true, spent_this_month: 500 });
  await deliverAll();
  expect(await shop.balanceOf('ada')).toBe(590);
  const { body } = await shop.call('GET', '/api/v1/me/credits/entries', { as: 'ada' });
  const [invoice] = await paidInvoicesOf('ada');
  expect(body.data[0]).toMatchObject({
    kind: 'purchase',
    delta: 500,
    reason: 'Auto top-up',
    ref: invoice?.id,
  });
  expect((await get('ada')).body.data.in_progress).toBe(false);
});

test('support sees the settings and switches it off; only the user opts in', async () => {
  await optIn('sue');
  const url = '/api/v1/users/sue/auto-top-up';
  const [reader, admin] = [await shop.makeKey('credits:read'), await shop.makeKey('admin')];
  const seen = await shop.call('GET', url, { key: reader });
  expect(seen.body.data).toMatchObject({ enabled: true, threshold: 100 });
  expect(seen.body).toEqual((await get('sue')).body);
  expect((await shop.call('DELETE', url, { key: reader })).status).toBe(403);
  expect((await shop.call('PUT', url, { key: admin, body: WISH })).status).toBe(405);
  const off = await shop.call('DELETE', url, { key: admin });
  expect([off.status, off.body.data.enabled]).toEqual([200, false]);
  await spend('sue', 60);
  await shop.sweepTopUps();
  expect(await paidInvoicesOf('sue')).toEqual([]);
});

test('the sweep finds whom no outcome told of, and charges once while the credits are under way', async () => {
  await optIn('bob');
  const other = await shop.another();
  // Another server, which has not heard of the user.
  await spend('bob', 100, other);
  for (let i = 0; i < 3; i++) {
    await Promise.all([shop.sweepTopUps(), other.sweepTopUps(), shop.sweepTopUps()]);
  }
  expect(await paidInvoicesOf('bob')).toHaveLength(1);
  await deliverAll();
  await Promise.all([shop.sweepTopUps(), other.sweepTopUps()]);
  expect([await shop.balanceOf('bob'), (await paidInvoicesOf('bob')).length]).toEqual([550, 1]);
  await other.close();
});

test('the monthly cap ends it, until the month does', async () => {
  await optIn('cyd');
  for (let i = 0; i < 5; i++) {
    const balance = await shop.balanceOf('cyd');
    if (balance > 50) await spend('cyd', balance - 50);
    await shop.sweepTopUps();
    await deliverAll();
  }
  expect(await paidInvoicesOf('cyd')).toHaveLength(3);
  expect((await get('cyd')).body.data).toMatchObject({ enabled: true, spent_this_month: 1_500 });
  await shop.database.sql(
    `UPDATE auto_top_up_attempts SET charged_at = date_trunc('month', now(), 'UTC') - interval '1 s'
      WHERE user_id = 'cyd'`,
  );
  await shop.sweepTopUps();
  expect(await paidInvoicesOf('cyd')).toHaveLength(4);
});

test.each(['card_declined', 'authentication_required'] as const)(
  'after %s it waits, and after the third in a row it stops and says why',
  async (reason) => {
    const user = `dan-${reason}`;
    await shop.give(user, 50);
    await saveCard(user, reason);
    await put(user);
    await expect.poll(() => attemptsOf(user)).toEqual([{ state: 'failed', reason }]);
    await shop.sweepTopUps();
    await put(user);
    await shop.sweepTopUps();
    expect(await attemptsOf(user)).toHaveLength(1);
    expect((await get(user)).body.data).toMatchObject({
      enabled: true,
      retry_at: expect.any(String),
      spent_this_month: 0,
    });
    for (let i = 0; i < 4; i++) {
      await afterBackOff(user);
      await shop.sweepTopUps();
    }
    expect(await attemptsOf(user)).toHaveLength(3);
    expect((await get(user)).body.data).toMatchObject({ enabled: false, stopped_reason: reason });
    const invoices = shop.fake.store
      .all('invoice')
      .filter(({ metadata }) => metadata['user_id'] === user);
    expect(invoices.map(({ status }) => status)).toEqual(['void', 'void', 'void']);
    await saveCard(user);
    await put(user);
    await expect.poll(() => paidInvoicesOf(user)).toHaveLength(1);
    await deliverAll();
    expect(await shop.balanceOf(user)).toBe(550);
  },
);

test('a refund stops it, so that the card is not charged for what the refund took', async () => {
  await optIn('eve');
  await spend('eve', 100);
  await shop.sweepTopUps();
  await deliverAll();
  const [invoice] = await paidInvoicesOf('eve');
  shop.fake.refundPayment(String(invoice?.charge));
  await deliverAll();
  expect(await shop.balanceOf('eve')).toBe(50);
  const off = { enabled: false, stopped_reason: 'payment_reversed' };
  // Also for who says it again before anybody told of the refund.
  expect((await put('eve')).body.data).toMatchObject(off);
  await spend('eve', 1);
  await shop.sweepTopUps();
  expect(await paidInvoicesOf('eve')).toHaveLength(1);
  expect((await get('eve')).body.data).toMatchObject(off);
  expect((await put('eve')).body.data.enabled).toBe(true);
  await expect.poll(() => paidInvoicesOf('eve')).toHaveLength(2);
  await deliverAll();
});

test.each(['get', 'sweep'])('a refund of any purchase is told by the next %s', async (look) => {
  const user = `ian-${look}`;
  const session = await shop.opened(user, { price: WISH.price });
  const { object } = shop.fake.paySession(session);
  await deliverAll();
  await optIn(user);
  await spend(user, 90);
  shop.fake.refundPayment(String(object['payment_intent']));
  await deliverAll();
  if (look === 'sweep') await shop.sweepTopUps();
  const { enabled, stopped_reason } = (await get(user)).body.data;
  expect([enabled, stopped_reason]).toEqual([false, 'payment_reversed']);
  expect(await attemptsOf(user)).toEqual([]);
  // It was told, so that the user knows what to say again.
  expect((await put(user)).body.data.enabled).toBe(true);
  await expect.poll(() => paidInvoicesOf(user)).toHaveLength(1);
  await deliverAll();
});

test('a refund of before the user opted in stops nothing', async () => {
  const session = await shop.opened('kay', { price: WISH.price });
  const { object } = shop.fake.paySession(session);
  await deliverAll();
  shop.fake.refundPayment(String(object['payment_intent']));
  await deliverAll();
  await optIn('kay');
  // As a release that did not write down what it had seen.
  for (const then of ['1 = 1', 'seen_seq IS NULL']) {
    await spend('kay', (await shop.balanceOf('kay')) - 50);
    await shop.sweepTopUps();
    await deliverAll();
    expect(await shop.balanceOf('kay'), then).toBe(550);
    await shop.database.sql("UPDATE auto_top_ups SET seen_seq = NULL WHERE user_id = 'kay'");
  }
});

test('who owes credits is not topped up', async () => {
  const session = await shop.opened('fay', { price: WISH.price });
  const { object } = shop.fake.paySession(session);
  await deliverAll();
  await spend('fay', 500);
  shop.fake.refundPayment(String(object['payment_intent']));
  await deliverAll();
  expect(await shop.balanceOf('fay')).toBe(-500);
  await saveCard('fay');
  await put('fay');
  await shop.sweepTopUps();
  expect(await attemptsOf('fay')).toEqual([]);
});

test('who switches it off is charged no more, and may look at what was', async () => {
  await optIn('gus');
  const { body } = await remove('gus');
  expect(body.data).toMatchObject({ enabled: false, threshold: 100, stopped_reason: null });
  await spend('gus', 100);
  await shop.sweepTopUps();
  expect(await attemptsOf('gus')).toEqual([]);
});

test('while a price is not for sale nothing is charged, and later it is', async () => {
  await optIn('jan', { ...WISH, price: 'price_pro', monthly_cap: 10_000 });
  await publishPrices(shop.database, new Map([...CREDITS, ['price_pro', 0]]));
  // A server that remembers no terms.
  const other = await shop.another();
  await spend('jan', 100, other);
  for (let i = 0; i < 3; i++) await other.sweepTopUps();
  expect(other.log.filter((line) => line.includes('is not for sale'))).toHaveLength(1);
  const { data } = (await get('jan')).body;
  expect(data).toMatchObject({ enabled: true, stopped_reason: null, retry_at: expect.any(String) });
  await publishPrices(shop.database, CREDITS);
  await other.close();
  await shop.sweepTopUps();
  expect(await attemptsOf('jan')).toEqual([]);
  await afterBackOff('jan');
  await shop.sweepTopUps();
  await deliverAll();
  expect(await shop.balanceOf('jan')).toBe(2_050);
  // Another price need not wait for it; the look is what sees the top-up end.
  await get('jan');
  await shop.database.sql(
    `UPDATE auto_top_ups SET retry_at = now() + interval '1 hour' WHERE user_id = 'jan'`,
  );
  expect((await put('jan')).body.data.retry_at).toBeNull();
});

test('a customer whom Stripe has deleted stops it at once', async () => {
  await optIn('mia');
  const [{ customer } = { customer: '' }] = await shop.database.sql<{ customer: string }>(
    "SELECT customer FROM auto_top_ups WHERE user_id = 'mia'",
  );
  shop.fake.deleteCustomer(customer);
  await spend('mia', 100);
  await shop.sweepTopUps();
  const reason = 'resource_missing';
  expect(await attemptsOf('mia')).toEqual([{ state: 'failed', reason }]);
  expect((await get('mia')).body.data).toMatchObject({ enabled: false, stopped_reason: reason });
  await deliverAll();
});

test('an invoice of somebody else’s making that names a top-up is none', async () => {
  await optIn('leo');
  await spend('leo', 100);
  await shop.sweepTopUps();
  const [ours] = await paidInvoicesOf('leo');
  const { events } = shop.fake.issueInvoice({
    customer: String(ours?.customer),
    lines: [{ price: WISH.price }],
    metadata: { ...ours?.metadata, purchase_intent: 'auto_top_up_1' },
  });
  expect(await shop.deliver(events.filter(({ type }) => type === 'invoice.paid'))).toEqual([
    'ignored',
  ]);
  await deliverAll();
  expect(await shop.balanceOf('leo')).toBe(550);
});

test('who never opted in is told so', async () => {
  expect((await get('hal')).body.data).toMatchObject({ enabled: false, price: null });
  expect((await remove('hal')).status).toBe(200);
});

test('a card is saved on a page of Stripe’s, which opens it', async () => {
  expect((await put('ivy')).body.error.code).toBe('no_payment_method');
  const opened = await shop.call('POST', '/api/v1/setup-sessions', {
    as: 'ivy',
    body: { price: WISH.price, success_url: '/saved' },
  });
  expect(opened.status).toBe(200);
  expect((await put('ivy')).body.error.code).toBe('no_payment_method');
  shop.fake.paySession(opened.body.data.id);
  await deliverAll();
  expect(await shop.onRecord('ivy')).toEqual({ balance: 0, entries: 0 });
  const { status, body } = await put('ivy');
  expect([status, body.data]).toMatchObject([200, { enabled: true, amount: 500, currency: 'usd' }]);
});

test.each([
  ['a cap that allows none', { monthly_cap: 499 }, 400, 'invalid_request'],
  ['a threshold above what one gives', { threshold: 501 }, 400, 'invalid_request'],
  ['a threshold of 0', { threshold: 0 }, 400, 'invalid_request'],
  ['a price that recurs', { price: 'price_monthly' }, 422, 'price_not_for_sale'],
  ['a price that gives nothing', { price: 'price_fee' }, 422, 'price_not_for_sale'],
  ['a price that nobody knows', { price: 'price_unknown' }, 422, 'price_not_for_sale'],
])('%s is refused', async (_name, changes, status, code) => {
  await saveCard('kim');
  const answer = await put('kim', { ...WISH, ...changes });
  expect([answer.status, answer.body.error.code]).toEqual([status, code]);
  expect((await get('kim')).body.data.enabled).toBe(false);
});
