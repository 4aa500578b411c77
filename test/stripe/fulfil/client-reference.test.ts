import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SessionOptions } from '../../../packages/fake-stripe/src/life/shortcuts.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage({ trustsReference: true });
  await stage.receiver.start();
});
afterAll(() => stage.close());

/** The event of a paid checkout to whose address somebody added a client_reference_id. */
function paidAs(reference: unknown, options: Omit<SessionOptions, 'lines'> = {}) {
  const { id } = stage.fake.createSession({ ...options, lines: [{ price: 'price_pack' }] });
  const event = stage.fake.completeSession(id);
  const object = { ...event.data.object, id, client_reference_id: reference };
  return { ...event, data: { object } };
}

const know = (customer: string, userId: string) =>
  stage.db.sql('INSERT INTO stripe_user_aliases (stripe_id, user_id) VALUES ($1, $2)', [
    customer,
    userId,
  ]);

test('client_reference_id is the user where nothing else names one, when it is trusted', async () => {
  expect(await stage.deliver(paidAs('ada'))).toBe('done');
  expect(await stage.balanceOf('ada')).toBe(100);
});

test.each([[null], [''], [7], [{ id: 'eve' }], ['a\0b']])(
  'a client_reference_id of %j is nobody',
  async (reference) => {
    const event = paidAs(reference);
    expect(await stage.deliver(event)).toBe('parked');
    expect((await stage.stored(event))?.reason).toBe('unknown user');
  },
);

test('a hostile one overrides neither the purchase intent nor metadata nor the customer', async () => {
  await know('cus_cleo', 'cleo');
  const intended = paidAs('mallory', { userId: 'mallory-too' });
  await stage.receiver.processing.intents.record({
    ...{ id: 'checkout_bob', session: intended.data.object.id, userId: 'bob', mode: 'payment' },
    ...{ items: [{ price: 'price_pack', version: 1, quantity: 1, amount: null }] },
    ...{ adjustable: false, money: null },
  });
  const named = paidAs('mallory', { userId: 'ann' });
  const known = paidAs('mallory', { customer: 'cus_cleo' });
  for (const event of [intended, named, known]) expect(await stage.deliver(event)).toBe('done');
  for (const user of ['bob', 'ann', 'cleo']) expect(await stage.balanceOf(user)).toBe(100);
  for (const user of ['mallory', 'mallory-too']) expect(await stage.balanceOf(user)).toBe(0);
});

test('a subscription is the user’s, the customer stays nobody’s: its portal is not theirs', async () => {
  const [customer, subscription] = ['cus_dan', 'sub_dan'];
  const linked = paidAs('dan', { mode: 'subscription', customer, subscription });
  expect(await stage.deliver(linked)).toBe('done');
  const lines = [{ price: 'price_plan' }];
  expect(await stage.deliver(stage.fake.payInvoice({ customer, subscription, lines }))).toBe(
    'done',
  );
  expect(await stage.balanceOf('dan')).toBe(1000);
  const rows = await stage.db.sql('SELECT stripe_id FROM stripe_user_aliases WHERE user_id = $1', [
    'dan',
  ]);
  expect(rows).toEqual([{ stripe_id: subscription }]);
});

test('a hostile one does not take over the subscription of a customer who is known', async () => {
  await know('cus_eli', 'eli');
  const [customer, subscription] = ['cus_eli', 'sub_eli'];
  const linked = paidAs('mallory', { mode: 'subscription', customer, subscription });
  expect(await stage.deliver(linked)).toBe('ignored');
  const lines = [{ price: 'price_plan' }];
  expect(await stage.deliver(stage.fake.payInvoice({ customer, subscription, lines }))).toBe(
    'done',
  );
  expect([await stage.balanceOf('eli'), await stage.balanceOf('mallory')]).toEqual([1000, 0]);
});
