import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { createBatchSession } from '../../../src/db/batch-session.ts';
import { createInbox } from '../../../src/stripe/inbox/inbox.ts';
import { makeDue, purchase, storeOnly } from '../../support/inbox.ts';
import { delivery, type StripeStage, startStripeStage, until } from '../../support/stripe.ts';

let stage: StripeStage;
beforeEach(async () => {
  stage = await startStripeStage();
});
afterEach(() => stage.close());

test('the worker takes over what a dead server left, after its lease and not before', async () => {
  const [left, leased] = [purchase(stage, 'cat'), purchase(stage, 'dan')];
  await storeOnly(stage, left);
  await storeOnly(stage, leased, "interval '60 seconds'");
  await stage.receiver.start();
  await until(async () => (await stage.stored(left))?.state === 'done');
  expect(await stage.stored(leased)).toMatchObject({ state: 'received', attempts: 1 });
  expect(await stage.deliver(leased)).toBe('received');
  expect([await stage.balanceOf('cat'), await stage.balanceOf('dan')]).toEqual([100, 0]);
});

test('a crash between the grant and the end of its event repeats, and grants once', async () => {
  const event = purchase(stage, 'eve');
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
  const event = purchase(stage, 'fay');
  stage.fake.setFault({ kind: 'silence' });
  const overtaken = ignorant.deliver(event);
  await until(async () => stage.fake.requests() > 0);
  stage.fake.setFault(null);
  await makeDue(stage, event);
  await stage.receiver.start();
  await until(async () => (await stage.stored(event))?.state === 'done');
  expect(await overtaken).toBe('done');
  expect(await stage.stored(event)).toMatchObject({ state: 'done', attempts: 2 });
  expect(await stage.balanceOf('fay')).toBe(100);
});

test('only the newest attempt ends an event, also when an older one ends beside it', async () => {
  const event = purchase(stage, 'fia');
  await storeOnly(stage, event);
  const session = createBatchSession(stage.db.url);
  onTestFinished(() => session.close());
  const inbox = createInbox(stage.db.pool, session);
  const [older] = await inbox.claim(1);
  await makeDue(stage, event);
  const [newer] = await inbox.claim(1);
  if (!older || !newer) throw new Error('the event is due');
  const late = { state: 'ignored', reason: 'late' } as const;
  expect(await inbox.settle(older, late)).toBe('received');
  const both = [inbox.settle(older, late), inbox.settle(newer, { state: 'done' })];
  expect((await Promise.all(both)).at(-1)).toBe('done');
  expect(await inbox.settle(newer, late)).toBe('done');
  expect(await stage.stored(event)).toMatchObject({ state: 'done', reason: null, attempts: 3 });
});

test('the worker leaves an event alone while its delivery attempts it', async () => {
  await stage.receiver.start();
  stage.fake.setFault({ kind: 'slow', ms: 500 });
  const event = purchase(stage, 'lea');
  expect(await stage.deliver(event)).toBe('done');
  expect((await stage.stored(event))?.attempts).toBe(1);
});

test('beyond so many at once, deliveries are stored and left to the worker', async () => {
  const narrow = await stage.restart({ attemptsAtOnce: 1 });
  stage.fake.setFault({ kind: 'slow', ms: 200 });
  const events = Array.from({ length: 5 }, () => purchase(stage, 'jan'));
  const states = await Promise.all(events.map(narrow.deliver));
  expect(states.toSorted()).toEqual(['done', ...Array(4).fill('received')]);
  stage.fake.setFault(null);
  for (let i = 0; i < 2; i++) expect(await narrow.deliver(purchase(stage, 'jan'))).toBe('done');
  await narrow.receiver.start();
  for (const event of events) {
    await until(async () => (await stage.stored(event))?.state === 'done');
  }
  expect(await stage.balanceOf('jan')).toBe(700);
});

test('an event that always fails holds up no other, and backs off up to an hour', async () => {
  const poison = purchase(stage, 'kim');
  const object = { ...poison.data.object, mode: null };
  await storeOnly(stage, { ...poison, data: { object } });
  const healthy = Array.from({ length: 10 }, () => purchase(stage, 'kim'));
  for (const event of healthy) await storeOnly(stage, event);
  await stage.receiver.start();
  let attempt = 1;
  for (const wait of [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600]) {
    attempt += 1;
    await until(async () => {
      const { attempts, due_in: dueIn } = (await stage.stored(poison)) ?? {};
      // While the attempt is under way it is the lease that is due, in 60 s: not yet 64 of them.
      return attempts === attempt && dueIn && dueIn > wait - 3 && dueIn <= wait;
    });
    await makeDue(stage, poison);
  }
  for (const event of healthy) expect((await stage.stored(event))?.state).toBe('done');
});

test('several servers share the work without doing it twice', async () => {
  const other = await stage.restart();
  const events = Array.from({ length: 40 }, () => purchase(stage, 'lee'));
  await Promise.all(events.map((event) => storeOnly(stage, event)));
  await Promise.all([stage.receiver.start(), other.receiver.start()]);
  for (const event of events) {
    await until(async () => (await stage.stored(event))?.state === 'done');
  }
  expect(await stage.balanceOf('lee')).toBe(4_000);
  expect(await stage.db.sql('SELECT 1 FROM stripe_events WHERE attempts <> 2')).toEqual([]);
});

test('stop waits for the attempts under way', async () => {
  const event = purchase(stage, 'oli');
  await storeOnly(stage, event);
  const patient = await stage.restart();
  stage.fake.setFault({ kind: 'slow', ms: 200 });
  await patient.receiver.start();
  await until(async () => stage.fake.requests() === 1);
  await patient.receiver.stop();
  expect((await stage.stored(event))?.state).toBe('done');
});

test('a link that lands between the look-up of a user and the parking is seen soon', async () => {
  const { db, fake } = stage;
  const lines = [{ price: 'price_plan' }];
  const event = fake.payInvoice({ customer: 'cus_race', subscription: 'sub_race', lines });
  // The parking itself makes the link, as another event's attempt might at that very moment.
  await db.sql(`
    CREATE FUNCTION link_now() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO stripe_user_aliases (stripe_id, user_id) VALUES ('sub_race', 'quin')
          ON CONFLICT DO NOTHING;
      RETURN NEW;
    END $$;
    CREATE TRIGGER link_now BEFORE UPDATE ON stripe_events
      FOR EACH ROW WHEN (NEW.state = 'parked') EXECUTE FUNCTION link_now()`);
  expect(await stage.deliver(event)).toBe('parked');
  expect(await stage.stored(event)).toMatchObject({ reason: 'unknown user' });
  await stage.receiver.start();
  await until(async () => (await stage.stored(event))?.state === 'done');
});

test('1,000 deliveries of one event at once, at two servers: one grant, and no 5xx', async () => {
  const patience = { answerWithin: 60_000 };
  const servers = [await stage.restart(patience), await stage.restart(patience)];
  const request = delivery(JSON.stringify(purchase(stage, 'rae')));
  const answers = await Promise.all(
    Array.from({ length: 1_000 }, (_, i) => (servers[i % 2] ?? stage).app.inject(request)),
  );
  expect(answers.filter(({ statusCode }) => statusCode !== 200)).toEqual([]);
  await until(async () => {
    const done = await stage.db.sql("SELECT FROM stripe_events WHERE state = 'done'");
    return done.length === 1;
  });
  expect(await stage.db.sql('SELECT 1 FROM stripe_events')).toHaveLength(1);
  expect(await stage.db.sql('SELECT 1 FROM credit_ledger')).toHaveLength(1);
  expect(await stage.balanceOf('rae')).toBe(100);
});

test('the events of a payment, delivered to several servers at once, grant it once', async () => {
  const servers = [stage, await stage.restart(), await stage.restart()];
  const lines = [{ price: 'price_plan' }];
  const events = Array.from({ length: 40 }, (_, i) => {
    const paymentIntent = `pi_${i}`;
    const options = { userId: 'sue', subscription: `sub_${i}`, paymentIntent, lines };
    const event = stage.fake.payInvoice({ ...options, shape: i % 2 ? 'acacia' : 'current' });
    return [event, { ...event, id: `${event.id}_again` }, { ...event, id: `${event.id}_more` }];
  });
  await Promise.all(events.flat().map((event, i) => (servers[i % 3] ?? stage).deliver(event)));
  await stage.receiver.start();
  await until(async () => {
    const open = await stage.db.sql("SELECT FROM stripe_events WHERE state <> 'done'");
    return open.length === 0;
  });
  expect(await stage.balanceOf('sue')).toBe(40_000);
  const names = await stage.db.sql(
    'SELECT count(DISTINCT payment)::int AS n FROM stripe_payment_aliases',
  );
  expect(names).toEqual([{ n: 40 }]);
});

test('payloads go after the days that they are kept, but events are known for ever', async () => {
  const [old, young, open] = [1, 2, 3].map(() => purchase(stage, 'tom'));
  if (!old || !young || !open) throw new Error('three events');
  for (const event of [old, young]) expect(await stage.deliver(event)).toBe('done');
  await storeOnly(stage, open, "interval '1 hour'");
  await stage.db.sql(
    "UPDATE stripe_events SET settled_at = now() - interval '30 days 1 minute' WHERE id = $1",
    [old.id],
  );
  const kept = async () => {
    const rows = await stage.db.sql('SELECT id FROM stripe_events WHERE payload IS NOT NULL');
    return new Set(rows.map(({ id }) => id));
  };
  const forEver = await stage.restart({ retentionDays: 0 });
  await forEver.receiver.start();
  await forEver.receiver.stop();
  expect(await kept()).toEqual(new Set([old.id, young.id, open.id]));
  const tidy = await stage.restart({ retentionDays: 30 });
  await tidy.receiver.start();
  await until(async () => (await kept()).size === 2);
  expect(await kept()).toEqual(new Set([young.id, open.id]));
  expect(await tidy.deliver(old)).toBe('done');
  expect(await stage.balanceOf('tom')).toBe(200);
});

test('a payment whose names another transaction holds waits for it alone', async () => {
  const lines = [{ price: 'price_plan' }];
  const renewal = (name: string) =>
    stage.fake.payInvoice({ userId: name, subscription: `sub_${name}`, lines });
  const first = renewal('una');
  expect(await stage.deliver(first)).toBe('done');
  const holder = await stage.db.pool.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT FROM stripe_payment_aliases FOR UPDATE');
  const held = stage.deliver({ ...first, id: `${first.id}_again` });
  const others = ['val', 'wim', 'xia'].map((name) => stage.deliver(renewal(name)));
  expect(await Promise.all(others)).toEqual(['done', 'done', 'done']);
  await holder.query('COMMIT');
  holder.release();
  expect(await held).toBe('done');
  expect(await stage.balanceOf('una')).toBe(1_000);
});
