import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { StripeEvent } from '../../packages/fake-stripe/src/events.ts';
import { createBatchSession } from '../../src/db/batch-session.ts';
import { createInbox } from '../../src/stripe/inbox.ts';
import { delivery, type StripeStage, startStripeStage, until } from '../support/stripe.ts';

let stage: StripeStage;
beforeEach(async () => {
  stage = await startStripeStage();
});
afterEach(() => stage.close());

const purchase = (userId: string, price = 'price_pack'): StripeEvent =>
  stage.fake.completeSession(stage.fake.createSession({ userId, lines: [{ price }] }).id);

const makeDue = ({ id }: { id: string }) =>
  stage.db.sql(`UPDATE stripe_events SET next_attempt_at = now() WHERE id = $1`, [id]);

/** As a server leaves an event that dies after it stored it. */
async function storeOnly(event: StripeEvent, lease = "interval '-1 second'"): Promise<void> {
  await stage.db.sql(
    `INSERT INTO stripe_events (id, type, livemode, created, payload, attempts, next_attempt_at)
     VALUES ($1, $2, false, now(), $3, 1, now() + ${lease})`,
    [event.id, event.type, JSON.stringify(event)],
  );
}

test('an event that cannot be stored is a 503, so that Stripe sends it again', async () => {
  const event = purchase('ada');
  await stage.db.sql('ALTER TABLE stripe_events RENAME TO stripe_events_away');
  const response = await stage.app.inject(delivery(JSON.stringify(event)));
  expect(response.statusCode).toBe(503);
  expect(response.json().error.code).toBe('database_unavailable');
  expect(response.headers['retry-after']).toBe('1');
  await stage.db.sql('ALTER TABLE stripe_events_away RENAME TO stripe_events');
  expect(await stage.deliver(event)).toBe('done');
  expect(await stage.balanceOf('ada')).toBe(100);
});

test('an event whose grant fails is parked, not done, and grants when the ledger is back', async () => {
  const event = purchase('bob');
  await stage.db.sql('ALTER TABLE credit_ledger RENAME TO credit_ledger_away');
  expect(await stage.deliver(event)).toBe('parked');
  expect((await stage.stored(event))?.reason).toMatch(/^the attempt failed/);
  await stage.db.sql('ALTER TABLE credit_ledger_away RENAME TO credit_ledger');
  expect(await stage.deliver(event)).toBe('parked');
  await stage.receiver.start();
  await makeDue(event);
  await until(async () => (await stage.stored(event))?.state === 'done');
  expect(await stage.balanceOf('bob')).toBe(100);
});

test('an attempt after the ledger has closed is retried soon, for what it is', async () => {
  const closing = await stage.restart();
  await closing.ledger.close();
  const event = purchase('boris');
  expect(await closing.deliver(event)).toBe('parked');
  expect((await stage.stored(event))?.reason).toBe('the ledger is not available: overloaded');
  await stage.receiver.start();
  await makeDue(event);
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
  await makeDue(completed);
  await until(async () => (await stage.stored(completed))?.state === 'done');
  expect((await stage.stored(completed))?.reason).toBe('it had been granted before');
  expect(await stage.balanceOf('bea')).toBe(100);
});

test('two payments that turn out to be one are granted once, under the granted key', async () => {
  const id = 'in_sim_late';
  const lines = [{ price: 'price_pack' }];
  const session = stage.fake.createSession({ userId: 'bix', lines });
  const completed = stage.fake.completeSession(session.id);
  expect(await stage.deliver(completed)).toBe('done');
  const invoice = stage.fake.payInvoice({ id, userId: 'bix', subscription: 'sub_bix', lines });
  await stage.db.sql('ALTER TABLE credit_ledger RENAME TO credit_ledger_away');
  expect(await stage.deliver(invoice)).toBe('parked');
  await stage.db.sql('ALTER TABLE credit_ledger_away RENAME TO credit_ledger');
  const object = { ...completed.data.object, invoice: id };
  const again = { ...completed, id: 'evt_again', data: { object } };
  expect(await stage.deliver(again)).toBe('done');
  await stage.receiver.start();
  await makeDue(invoice);
  await until(async () => (await stage.stored(invoice))?.state === 'ignored');
  expect((await stage.stored(invoice))?.reason).toContain(session.id);
  expect(await stage.balanceOf('bix')).toBe(100);
});

test('the worker takes over what a dead server left, after its lease and not before', async () => {
  const [left, leased] = [purchase('cat'), purchase('dan')];
  await storeOnly(left);
  await storeOnly(leased, "interval '60 seconds'");
  await stage.receiver.start();
  await until(async () => (await stage.stored(left))?.state === 'done');
  expect(await stage.stored(leased)).toMatchObject({ state: 'received', attempts: 1 });
  expect(await stage.deliver(leased)).toBe('received');
  expect([await stage.balanceOf('cat'), await stage.balanceOf('dan')]).toEqual([100, 0]);
});

test('a crash between the grant and the end of its event repeats, and grants once', async () => {
  const event = purchase('eve');
  await stage.deliver(event);
  await stage.db.sql(
    `UPDATE stripe_events SET state = 'received', settled_at = NULL, next_attempt_at = now()
      WHERE id = $1`,
    [event.id],
  );
  await stage.receiver.start();
  await until(async () => (await stage.stored(event))?.state === 'done');
  expect(await stage.balanceOf('eve')).toBe(100);
});

test('an attempt that was overtaken cannot park what a later one has done', async () => {
  const ignorant = await stage.restart({ catalogue: new Map(), apiTimeout: 300 });
  const event = purchase('fay');
  stage.fake.setFault({ kind: 'silence' });
  const overtaken = ignorant.deliver(event);
  await until(async () => stage.fake.requests() > 0);
  stage.fake.setFault(null);
  await makeDue(event);
  await stage.receiver.start();
  await until(async () => (await stage.stored(event))?.state === 'done');
  expect(await overtaken).toBe('done');
  expect(await stage.stored(event)).toMatchObject({ state: 'done', attempts: 2 });
  expect(await stage.balanceOf('fay')).toBe(100);
});

test('what wakes an event does not cut the lease of an attempt that holds it', async () => {
  const event = purchase('fin');
  await storeOnly(event);
  const change = `UPDATE stripe_events SET state = 'parked', reason = 'r', waits_for = '{price:x}'`;
  await stage.db.sql(change);
  const session = createBatchSession(stage.db.url);
  onTestFinished(() => session.close());
  const inbox = createInbox(stage.db.pool, session);
  expect(await inbox.claim(1)).toMatchObject([{ id: event.id, attempt: 2 }]);
  await inbox.wake(['price:x']);
  expect(await inbox.claim(1)).toEqual([]);
});

test.each([
  ['fails', { kind: 'error', status: 500 }],
  ['has too many requests', { kind: 'error', status: 429 }],
  ['does not answer', { kind: 'silence' }],
] as const)(
  'while Stripe’s API %s, a session is parked; it is granted later',
  async (_name, fault) => {
    const event = purchase('gus');
    const hasty = await stage.restart({ apiTimeout: 800 });
    stage.fake.setFault(fault);
    expect(await hasty.deliver(event)).toBe('parked');
    expect(await stage.stored(event)).toMatchObject({
      reason: "Stripe's API cannot be reached",
      waits_for: ['stripe_api'],
    });
    await stage.db.sql(`UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour'`);
    stage.fake.setFault(null);
    expect(await hasty.deliver(purchase('gus'))).toBe('done');
    expect((await stage.stored(event))?.due_in).toBeLessThanOrEqual(5);
    await makeDue(event);
    await stage.receiver.start();
    await until(async () => (await stage.stored(event))?.state === 'done');
    expect(await stage.balanceOf('gus')).toBe(200);
  },
);

test.each([401, 403])('a key that Stripe refuses with %i is its absence', async (status) => {
  const event = purchase('gwen');
  stage.fake.setFault({ kind: 'error', status });
  expect(await stage.deliver(event)).toBe('parked');
  expect(await stage.stored(event)).toMatchObject({
    reason: `Stripe's API refuses the key: ${status}`,
    waits_for: ['stripe_api'],
  });
});

test('an API that keeps failing is left alone for a while, to hold up nobody', async () => {
  stage.fake.setFault({ kind: 'error', status: 500 });
  for (let i = 0; i < 10; i++) expect(await stage.deliver(purchase('guy'))).toBe('parked');
  expect(stage.fake.requests()).toBeLessThanOrEqual(3 * 2);
});

test('a session that Stripe does not know is parked with its answer', async () => {
  const event = purchase('hal');
  stage.fake.store.forget(event.data.object.id);
  expect(await stage.deliver(event)).toBe('parked');
  expect((await stage.stored(event))?.reason).toBe("Stripe's API answers 404 resource_missing");
});

test('a delivery does not wait for ever: it is answered, and its attempt goes on', async () => {
  // Long enough to store the event on a busy machine, and shorter than the attempt.
  const slow = await stage.restart({ answerWithin: 500 });
  const event = purchase('ida');
  stage.fake.setFault({ kind: 'slow', ms: 1_500 });
  expect(await slow.deliver(event)).toBe('received');
  await until(async () => (await stage.stored(event))?.state === 'done');
  expect(await stage.balanceOf('ida')).toBe(100);
});

test('an event that is not stored in time is a 503, and stored late it is no duplicate', async () => {
  const slow = await stage.restart({ answerWithin: 50 });
  const event = purchase('ike');
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

test('beyond so many at once, deliveries are stored and left to the worker', async () => {
  const narrow = await stage.restart({ attemptsAtOnce: 1 });
  stage.fake.setFault({ kind: 'slow', ms: 200 });
  const events = Array.from({ length: 5 }, () => purchase('jan'));
  const states = await Promise.all(events.map(narrow.deliver));
  expect(states.toSorted()).toEqual(['done', ...Array(4).fill('received')]);
  stage.fake.setFault(null);
  await narrow.receiver.start();
  for (const event of events) {
    await until(async () => (await stage.stored(event))?.state === 'done');
  }
  expect(await stage.balanceOf('jan')).toBe(500);
});

test('an event that always fails holds up no other, and backs off up to an hour', async () => {
  const poison = purchase('kim');
  const object = { ...poison.data.object, mode: null };
  await storeOnly({ ...poison, data: { object } });
  const healthy = Array.from({ length: 10 }, () => purchase('kim'));
  for (const event of healthy) await storeOnly(event);
  await stage.receiver.start();
  let attempt = 1;
  for (const wait of [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600, 3600]) {
    attempt += 1;
    await until(async () => {
      const { attempts, due_in: dueIn } = (await stage.stored(poison)) ?? {};
      return attempts === attempt && dueIn && dueIn > wait - 5 && dueIn <= wait;
    });
    await makeDue(poison);
  }
  for (const event of healthy) expect((await stage.stored(event))?.state).toBe('done');
});

test('several servers share the work without doing it twice', async () => {
  const other = await stage.restart();
  const events = Array.from({ length: 40 }, () => purchase('lee'));
  await Promise.all(events.map((event) => storeOnly(event)));
  await Promise.all([stage.receiver.start(), other.receiver.start()]);
  for (const event of events) {
    await until(async () => (await stage.stored(event))?.state === 'done');
  }
  expect(await stage.balanceOf('lee')).toBe(4_000);
  expect(await stage.db.sql('SELECT 1 FROM stripe_events WHERE attempts <> 2')).toEqual([]);
});

test('an event about money that names none is parked; other types are ignored', async () => {
  const event = purchase('max');
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
  await storeOnly(purchase('nia'));
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

test('stop waits for the attempts under way', async () => {
  const event = purchase('oli');
  await storeOnly(event);
  const patient = await stage.restart();
  stage.fake.setFault({ kind: 'slow', ms: 200 });
  await patient.receiver.start();
  await until(async () => stage.fake.requests() === 1);
  await patient.receiver.stop();
  expect((await stage.stored(event))?.state).toBe('done');
});
