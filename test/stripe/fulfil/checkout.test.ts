import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StripeStage, startStripeStage, until } from '../../support/stripe.ts';

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage();
});
afterAll(() => stage.close());

const PACK = { price: 'price_pack' };

test('a paid session grants quantity × credits of its price, under the session’s id', async () => {
  const { fake, deliver, balanceOf, ledger } = stage;
  const lines = [{ price: 'price_pack', quantity: 3 }, { price: 'price_seat' }];
  const session = fake.createSession({ userId: 'ada', lines });
  const event = fake.completeSession(session.id);
  expect(await deliver(event)).toBe('done');
  expect(await balanceOf('ada')).toBe(300);
  const { entries } = await ledger.entries('ada', { limit: 10, before: null });
  expect(entries).toMatchObject([
    {
      kind: 'purchase',
      delta: 300,
      actor: 'stripe',
      grantKey: session.id,
      stripeEventId: event.id,
      ref: session.id,
      metadata: { price: 'price_pack', quantity: '3' },
    },
  ]);
});

test('a payment grants once: the event again, 20 at once, and under another event id', async () => {
  const { fake, deliver, balanceOf } = stage;
  const event = fake.completeSession(fake.createSession({ userId: 'bob', lines: [PACK] }).id);
  await Promise.all(Array.from({ length: 20 }, () => deliver(event)));
  await Promise.all(
    Array.from({ length: 20 }, (_, i) => deliver({ ...event, id: `${event.id}_${i}` })),
  );
  await deliver(event);
  expect(await balanceOf('bob')).toBe(100);
});

test('a free order grants nothing, nor does a line that a coupon made free', async () => {
  const { fake, deliver, stored, balanceOf } = stage;
  const free = fake.createSession({ userId: 'fay', lines: [PACK] });
  const freeEvent = fake.completeSession(free.id, 'no_payment_required');
  expect(await deliver(freeEvent)).toBe('ignored');
  expect((await stored(freeEvent))?.reason).toContain('free of charge');
  const lines = [PACK, { price: 'price_plan', discount: 100 }];
  const mixed = fake.createSession({ userId: 'fay', lines });
  expect(await deliver(fake.completeSession(mixed.id))).toBe('done');
  expect(await balanceOf('fay')).toBe(100);
});

test('a price of 0 credits is known: a session of it gives nothing, and does not wait', async () => {
  const { fake, deliver, stored } = stage;
  const lines = [{ price: 'price_seat' }];
  const event = fake.completeSession(fake.createSession({ userId: 'flo', lines }).id);
  expect(await deliver(event)).toBe('ignored');
  expect((await stored(event))?.reason).toBe('no line of it gives credits');
});

test('credits come from all pages of the line items, never from metadata', async () => {
  const { fake, deliver, balanceOf } = stage;
  const lines = Array.from({ length: 250 }, () => ({ price: 'price_pack', quantity: 2 }));
  const { id } = fake.createSession({ userId: 'gus', lines, metadata: { credits: '999999999' } });
  expect(await deliver(fake.completeSession(id))).toBe('done');
  expect(await balanceOf('gus')).toBe(250 * 2 * 100);
});

test('setup and unknown modes are ignored', async () => {
  const { fake, deliver } = stage;
  for (const mode of ['setup', 'barter']) {
    const event = fake.completeSession(fake.createSession({ userId: 'hal', lines: [PACK] }).id);
    const object = { ...event.data.object, mode };
    expect(await deliver({ ...event, data: { object } } as never)).toBe('ignored');
  }
});

test('client_reference_id is nobody: the buyer of a Payment Link can set it in the URL', async () => {
  const { fake, deliver, stored, balanceOf } = stage;
  const event = fake.completeSession(fake.createSession({ lines: [PACK] }).id);
  const object = { ...event.data.object, client_reference_id: 'ivy' };
  expect(await deliver({ ...event, data: { object } } as never)).toBe('parked');
  expect(await stored(event)).toMatchObject({
    reason: 'unknown user',
    waits_for: [object.id, event.data.object['payment_intent']].map((id) => `user_of:${id}`),
  });
  expect(await balanceOf('ivy')).toBe(0);
});

test('the customer’s user buys when the session names none', async () => {
  const { fake, deliver, balanceOf, db } = stage;
  await db.sql(
    `INSERT INTO stripe_customers (user_id, stripe_customer_id) VALUES ('jo', 'cus_jo')`,
  );
  const { id } = fake.createSession({ customer: 'cus_jo', lines: [PACK] });
  expect(await deliver(fake.completeSession(id))).toBe('done');
  expect(await balanceOf('jo')).toBe(100);
});

test('events of another mode or of a Connect account are recorded and ignored', async () => {
  const { fake, deliver, stored, balanceOf } = stage;
  const { id } = fake.createSession({ userId: 'kim', lines: [PACK] });
  const live = { ...fake.completeSession(id), id: 'evt_live', livemode: true };
  expect(await deliver(live)).toBe('ignored');
  expect((await stored(live))?.reason).toContain('live mode');
  const connect = { ...fake.completeSession(id), id: 'evt_connect', account: 'acct_other' };
  expect(await deliver(connect)).toBe('ignored');
  expect((await stored(connect))?.reason).toContain('Connect');
  expect(await balanceOf('kim')).toBe(0);
});

test.each([
  ['no session id', { id: 'in_1' }],
  ['an id with NUL', { id: 'cs_\0' }],
  ['an id of 256 characters', { id: `cs_${'x'.repeat(253)}` }],
  ['no mode', { mode: null }],
  ['no payment_status', { payment_status: 7 }],
  ['an unknown payment_status', { payment_status: 'promised' }],
  ['a user id of 256 characters', { metadata: { user_id: 'x'.repeat(256) } }],
  ['a user id with NUL', { metadata: { user_id: 'a\0b' } }],
  ['a user id with a lone surrogate', { metadata: { user_id: 'a\ud800' } }],
])('a session with %s is parked with a reason, never a crash', async (_name, changes) => {
  const { fake, deliver, stored } = stage;
  const event = fake.completeSession(fake.createSession({ userId: 'lee', lines: [PACK] }).id);
  const object = { ...event.data.object, ...changes };
  expect(await deliver({ ...event, data: { object } } as never)).toBe('parked');
  expect((await stored(event))?.reason).toBeTruthy();
});

test('more than 10^12 credits at once are parked with the reason, just as many are granted', async () => {
  const { fake, deliver, stored, balanceOf } = stage;
  const lines = [{ price: 'price_plan', quantity: 1e9 }];
  const more = fake.createSession({ userId: 'max', lines: [...lines, PACK] });
  const event = fake.completeSession(more.id);
  expect(await deliver(event)).toBe('parked');
  expect((await stored(event))?.reason).toContain('1000000000000 credits');
  expect(await balanceOf('max')).toBe(0);
  const most = fake.createSession({ userId: 'max', lines });
  expect(await deliver(fake.completeSession(most.id))).toBe('done');
  expect(await balanceOf('max')).toBe(1e12);
});

test('more than 1,000 lines are parked with the reason, just as many are granted', async () => {
  const { fake, deliver, stored, balanceOf } = stage;
  for (const [count, state, balance] of [
    [1_001, 'parked', 0],
    [1_000, 'done', 100_000],
  ] as const) {
    const lines = Array(count).fill(PACK);
    const event = fake.completeSession(fake.createSession({ userId: 'moe', lines }).id);
    expect(await deliver(event)).toBe(state);
    if (state === 'parked') expect((await stored(event))?.reason).toContain('more than 1000');
    expect(await balanceOf('moe')).toBe(balance);
  }
});

test('an unknown price parks the whole payment until a restart knows it', async () => {
  const { fake, deliver, stored, balanceOf, restart } = stage;
  const lines = [PACK, { price: 'price_new' }];
  const event = fake.completeSession(fake.createSession({ userId: 'nia', lines }).id);
  expect(await deliver(event)).toBe('parked');
  expect(await stored(event)).toMatchObject({
    reason: 'unknown price price_new',
    waits_for: ['price:price_new'],
  });
  expect(await balanceOf('nia')).toBe(0);
  await stage.db.sql(
    `UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour'
                       WHERE id = $1`,
    [event.id],
  );
  const catalogue = new Map([
    ['price_pack', 100],
    ['price_new', 7],
  ]);
  const later = await restart({ catalogue });
  await later.receiver.start();
  await until(async () => (await stored(event))?.state === 'done');
  await later.receiver.stop();
  expect(await balanceOf('nia')).toBe(107);
});
