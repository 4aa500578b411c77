import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeDue } from '../../support/inbox.ts';
import { type StripeStage, startStripeStage, until } from '../../support/stripe.ts';

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage();
});
afterAll(() => stage.close());

const PACK = { price: 'price_pack' };

const mapTo = (userId: string, customer: string) =>
  stage.db.sql(
    `INSERT INTO stripe_user_aliases (stripe_id, user_id) VALUES ($1, $2)
         ON CONFLICT (stripe_id) DO UPDATE SET user_id = excluded.user_id`,
    [customer, userId],
  );

test('who is named buys, whosever the customer is: on the session, and by the subscription', async () => {
  const { fake, deliver, balanceOf } = stage;
  await mapTo('bea', 'cus_bea');
  const about = { userId: 'al', customer: 'cus_bea', lines: [PACK] };
  expect(await deliver(fake.completeSession(fake.createSession(about).id))).toBe('done');
  expect(await deliver(fake.payInvoice({ ...about, subscription: 'sub_al' }))).toBe('done');
  expect([await balanceOf('al'), await balanceOf('bea')]).toEqual([200, 0]);
});

test('a payment that was given to a user is theirs, whosever its subscription and customer are', async () => {
  const { fake, deliver, balanceOf, receiver } = stage;
  await mapTo('gil', 'sub_gil');
  const about = { subscription: 'sub_gil', customer: 'cus_gil', lines: [PACK] };
  const [gift, renewal] = [fake.payInvoice(about), fake.payInvoice(about)];
  expect(await receiver.processing.users.link('hal', [gift.data.object.id])).toEqual([]);
  for (const event of [gift, renewal]) expect(await deliver(event)).toBe('done');
  expect([await balanceOf('gil'), await balanceOf('hal')]).toEqual([100, 100]);
});

test('a refund takes from who was granted, though the customer is somebody else’s since', async () => {
  const { fake, deliver, stored, balanceOf, db } = stage;
  await mapTo('cem', 'cus_cem');
  const { id } = fake.createSession({ customer: 'cus_cem', lines: [PACK] });
  const paid = fake.completeSession(id);
  // Granted, but not recorded, as when the server dies in between.
  await db.sql('ALTER TABLE stripe_payments ADD CONSTRAINT no_room CHECK (false) NOT VALID');
  expect(await deliver(paid)).toBe('parked');
  await db.sql('ALTER TABLE stripe_payments DROP CONSTRAINT no_room');
  expect(await balanceOf('cem')).toBe(100);
  await mapTo('dot', 'cus_cem');
  await stage.receiver.start();
  await makeDue(stage, paid);
  await until(async () => (await stored(paid))?.state === 'done');
  const { events } = fake.refundPayment(String(paid.data.object['payment_intent']));
  for (const event of events) await deliver({ ...event });
  expect([await balanceOf('cem'), await balanceOf('dot')]).toEqual([0, 0]);
});

test('two customers of one user both buy: by the mapping, in the ledger of one', async () => {
  const { fake, deliver, balanceOf } = stage;
  const customers = ['cus_fay_guest', 'cus_fay_link'];
  for (const customer of customers) {
    const about = { customer, mode: 'subscription', lines: [{ price: 'price_plan' }] } as const;
    const subscription = `sub_of_${customer}`;
    const session = fake.createSession({ ...about, userId: 'fay', subscription });
    expect(await deliver(fake.completeSession(session.id))).toBe('done');
  }
  const bought = customers.map((customer) =>
    fake.completeSession(fake.createSession({ customer, lines: [PACK] }).id),
  );
  for (const event of bought) expect(await deliver(event)).toBe('done');
  expect(await balanceOf('fay')).toBe(200);
  const [intent] = bought.map(({ data }) => String(data.object['payment_intent']));
  for (const event of fake.refundPayment(intent ?? '').events) await deliver({ ...event });
  expect(await balanceOf('fay')).toBe(100);
});

test('a deleted customer is nobody’s any more, though it was the user’s own; credits stay', async () => {
  const { fake, deliver, stored, balanceOf, db } = stage;
  const customer = 'cus_eli';
  await db.sql('INSERT INTO stripe_customers (user_id, stripe_customer_id) VALUES ($1, $2)', [
    'eli',
    customer,
  ]);
  const buy = () => fake.completeSession(fake.createSession({ customer, lines: [PACK] }).id);
  const paid = buy();
  expect(await deliver(paid)).toBe('done');
  const object = { id: customer, object: 'customer', deleted: true };
  const deleted = { ...paid, id: 'evt_deleted', type: 'customer.deleted', data: { object } };
  expect(await deliver(deleted)).toBe('done');
  expect(await balanceOf('eli')).toBe(100);
  const later = buy();
  expect(await deliver(later)).toBe('parked');
  expect((await stored(later))?.reason).toBe('unknown user');
});
