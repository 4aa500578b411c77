import { afterEach, beforeEach, expect, test } from 'vitest';
import { refuseForgetfulCommits } from '../../support/database.ts';
import { makeDue, purchase, storeOnly } from '../../support/inbox.ts';
import { delivery, type StripeStage, startStripeStage, until } from '../../support/stripe.ts';

let stage: StripeStage;
beforeEach(async () => {
  stage = await startStripeStage();
});
afterEach(() => stage.close());

test('an event that cannot be stored is a 503, so that Stripe sends it again', async () => {
  const event = purchase(stage, 'ada');
  await stage.db.sql('ALTER TABLE stripe_events RENAME TO stripe_events_away');
  const response = await stage.app.inject(delivery(JSON.stringify(event)));
  expect(response.statusCode).toBe(503);
  expect(response.json().error.code).toBe('database_unavailable');
  expect(response.headers['retry-after']).toBe('1');
  await stage.db.sql('ALTER TABLE stripe_events_away RENAME TO stripe_events');
  expect(await stage.deliver(event)).toBe('done');
  expect(await stage.balanceOf('ada')).toBe(100);
});

test('an event that is answered with 200 outlasts a crash of the database', async () => {
  await refuseForgetfulCommits(stage.db, 'stripe_events');
  expect(await stage.deliver(purchase(stage, 'abe'))).toBe('done');
});

test('an event is known by its id alone: signed anew, with another body, it starts nothing', async () => {
  const [event, other] = [purchase(stage, 'aya'), purchase(stage, 'ayn')];
  expect(await stage.deliver(event)).toBe('done');
  expect(await stage.deliver({ ...other, id: event.id })).toBe('done');
  expect([await stage.balanceOf('aya'), await stage.balanceOf('ayn')]).toEqual([100, 0]);
  const rows = await stage.db.sql('SELECT payload, attempts FROM stripe_events');
  expect(rows).toEqual([{ payload: JSON.stringify(event), attempts: 1 }]);
});

test('an event whose grant fails is parked, not done, and grants when the ledger is back', async () => {
  const event = purchase(stage, 'bob');
  await stage.db.sql('ALTER TABLE credit_ledger RENAME TO credit_ledger_away');
  expect(await stage.deliver(event)).toBe('parked');
  expect((await stage.stored(event))?.reason).toMatch(/^the attempt failed/);
  await stage.db.sql('ALTER TABLE credit_ledger_away RENAME TO credit_ledger');
  expect(await stage.deliver(event)).toBe('parked');
  await stage.receiver.start();
  await makeDue(stage, event);
  await until(async () => (await stage.stored(event))?.state === 'done');
  expect(await stage.balanceOf('bob')).toBe(100);
});

test('an attempt after the ledger has closed is retried soon, for what it is', async () => {
  const closing = await stage.restart();
  await closing.ledger.close();
  const event = purchase(stage, 'boris');
  expect(await closing.deliver(event)).toBe('parked');
  expect((await stage.stored(event))?.reason).toBe('the ledger is not available: overloaded');
  await stage.db.sql('UPDATE stripe_events SET attempts = 20, next_attempt_at = now()');
  await closing.receiver.start();
  await until(async () => (await stage.stored(event))?.attempts === 21);
  await closing.receiver.stop();
  const { due_in: dueIn } = (await stage.stored(event)) ?? {};
  expect(dueIn, 'even after many attempts').toBeLessThanOrEqual(60);
  await stage.receiver.start();
  await makeDue(stage, event);
  await until(async () => (await stage.stored(event))?.state === 'done');
  expect(await stage.balanceOf('boris')).toBe(100);
});

test('a payment whose first event cannot grant is granted by its other one, once', async () => {
  const id = 'in_sim_twin';
  const lines = [{ price: 'price_pack' }];
  const session = stage.fake.createSession({ userId: 'bea', invoice: id, lines });
  const completed = stage.fake.completeSession(session.id);
  await stage.db.sql('ALTER TABLE credit_ledger RENAME TO credit_ledger_away');
  expect(await stage.deliver(completed)).toBe('parked');
  await stage.db.sql('ALTER TABLE credit_ledger_away RENAME TO credit_ledger');
  const invoice = stage.fake.payInvoice({ id, userId: 'bea', subscription: 'sub_bea', lines });
  expect(await stage.deliver(invoice)).toBe('done');
  await stage.receiver.start();
  await makeDue(stage, completed);
  await until(async () => (await stage.stored(completed))?.state === 'done');
  expect((await stage.stored(completed))?.reason).toBe('it had been granted before');
  expect(await stage.balanceOf('bea')).toBe(100);
});

test.each(['session', 'invoice'] as const)(
  'two payments that turn out to be one are granted once, under the granted key: the %s’s',
  async (granted) => {
    const id = 'in_sim_late';
    const lines = [{ price: 'price_pack' }];
    const session = stage.fake.createSession({ userId: 'bix', lines });
    const completed = stage.fake.completeSession(session.id);
    const invoice = stage.fake.payInvoice({ id, userId: 'bix', subscription: 'sub_bix', lines });
    const [first, second] = granted === 'session' ? [completed, invoice] : [invoice, completed];
    expect(await stage.deliver(first)).toBe('done');
    await stage.db.sql('ALTER TABLE credit_ledger RENAME TO credit_ledger_away');
    expect(await stage.deliver(second)).toBe('parked');
    await stage.db.sql('ALTER TABLE credit_ledger_away RENAME TO credit_ledger');
    const object = { ...completed.data.object, invoice: id };
    const again = { ...completed, id: 'evt_again', data: { object } };
    expect(await stage.deliver(again)).toBe(granted === 'session' ? 'done' : 'ignored');
    await stage.receiver.start();
    await makeDue(stage, second);
    await until(async () => (await stage.stored(second))?.state === 'ignored');
    expect((await stage.stored(second))?.reason).toContain(first.data.object.id);
    expect(await stage.balanceOf('bix')).toBe(100);
  },
);

test.each([
  ['fails', { kind: 'error', status: 500 }],
  ['has too many requests', { kind: 'error', status: 429 }],
  ['does not answer', { kind: 'silence' }],
] as const)(
  'while Stripe’s API %s, a session is parked; it is granted later',
  async (_name, fault) => {
    const event = purchase(stage, 'gus');
    const hasty = await stage.restart({ apiTimeout: 800 });
    stage.fake.setFault(fault);
    expect(await hasty.deliver(event)).toBe('parked');
    expect(await stage.stored(event)).toMatchObject({
      reason: "Stripe's API cannot be reached",
      waits_for: ['stripe_api'],
    });
    await stage.db.sql(`UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour'`);
    stage.fake.setFault(null);
    expect(await hasty.deliver(purchase(stage, 'gus'))).toBe('done');
    expect((await stage.stored(event))?.due_in).toBeLessThanOrEqual(5);
    await makeDue(stage, event);
    await stage.receiver.start();
    await until(async () => (await stage.stored(event))?.state === 'done');
    expect(await stage.balanceOf('gus')).toBe(200);
  },
);

test.each([401, 403])('a key that Stripe refuses with %i is its absence', async (status) => {
  const event = purchase(stage, 'gwen');
  stage.fake.setFault({ kind: 'error', status });
  expect(await stage.deliver(event)).toBe('parked');
  expect(await stage.stored(event)).toMatchObject({
    reason: `Stripe's API refuses the key: ${status}`,
    waits_for: ['stripe_api'],
  });
});

test('an API that keeps failing is left alone for a while, to hold up nobody', async () => {
  stage.fake.setFault({ kind: 'error', status: 500 });
  for (let i = 0; i < 10; i++) expect(await stage.deliver(purchase(stage, 'guy'))).toBe('parked');
  expect(stage.fake.requests()).toBeLessThanOrEqual(3 * 2);
});

test('a session that Stripe does not know is parked with its answer', async () => {
  const event = purchase(stage, 'hal');
  stage.fake.store.forget(event.data.object.id);
  expect(await stage.deliver(event)).toBe('parked');
  expect((await stage.stored(event))?.reason).toBe("Stripe's API answers 404 resource_missing");
});

test('a delivery does not wait for ever: it is answered, and its attempt goes on', async () => {
  const slow = await stage.restart({ answerWithin: 500 });
  const event = purchase(stage, 'ida');
  stage.fake.setFault({ kind: 'slow', ms: 2_000 });
  expect(await slow.deliver(event)).toBe('received');
  await until(async () => (await stage.stored(event))?.state === 'done');
  expect(await stage.balanceOf('ida')).toBe(100);
});

test('an event that is not stored in time is a 503, and stored late it is no duplicate', async () => {
  const slow = await stage.restart({ answerWithin: 50 });
  const event = purchase(stage, 'ike');
  const client = await stage.db.pool.connect();
  await client.query('BEGIN; LOCK TABLE stripe_events');
  const { statusCode } = await slow.app.inject(delivery(JSON.stringify(event)));
  await client.query('COMMIT');
  client.release();
  expect(statusCode).toBe(503);
  await until(async () => (await stage.stored(event))?.state === 'done');
  expect(await stage.deliver(event)).toBe('done');
  expect(await stage.balanceOf('ike')).toBe(100);
});

test('an event about money that names none is parked; other types are ignored', async () => {
  const event = purchase(stage, 'max');
  const named = (type: string) => ({ ...event, id: `evt_${type.replaceAll('.', '_')}`, type });
  for (const type of [
    'refund.created',
    'refund.failed',
    'charge.refund.updated',
    'charge.dispute.created',
    'charge.dispute.funds_withdrawn',
  ]) {
    expect(await stage.deliver(named(type)), type).toBe('parked');
    expect((await stage.stored(named(type)))?.reason, type).toMatch(/no usable|not known/);
  }
  for (const type of ['charge.succeeded', 'customer.created', 'whim.of.stripe', 'refundable']) {
    expect(await stage.deliver(named(type)), type).toBe('ignored');
  }
});

test('the database refuses an event without the facts of its state', async () => {
  const { db } = stage;
  await storeOnly(stage, purchase(stage, 'nia'));
  for (const change of [
    `state = 'lost'`,
    `state = 'parked'`,
    `state = 'done'`,
    `state = 'ignored', settled_at = now(), next_attempt_at = NULL`,
    `next_attempt_at = NULL`,
    `waits_for = '{price:x}'`,
    `id = 'cs_1'`,
  ]) {
    await expect(db.sql(`UPDATE stripe_events SET ${change}`), change).rejects.toThrow(/check/);
  }
});

test('a connection that broke while nobody used it is replaced unnoticed', async () => {
  expect(await stage.deliver(purchase(stage, 'pam'))).toBe('done');
  const ended = await stage.db.sql(
    `SELECT pg_terminate_backend(pid)
       FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'purser lane'`,
  );
  expect(ended).toHaveLength(2);
  expect(await stage.deliver(purchase(stage, 'pam'))).toBe('done');
  expect(await stage.balanceOf('pam')).toBe(200);
});
