import { afterAll, beforeAll, expect, test } from 'vitest';
import { ignoreEvent } from '../../src/stripe/reconcile/ignored-events.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { reconcileOn } from '../support/reconcile.ts';
import { type StripeStage, startStripeStage } from '../support/stripe.ts';

let stage: StripeStage;
let api: TestApp;
beforeAll(async () => {
  stage = await startStripeStage();
  api = await startTestApp({ database: stage.db });
});
afterAll(async () => {
  await api.close();
  await stage.close();
});

/** What a monitor reads: the samples by their names and labels. */
async function scrape(): Promise<Readonly<Record<string, number>>> {
  const key = await api.makeKey('metrics:read');
  const { status, headers, text } = await api.call('GET', '/metrics', { key });
  expect([status, headers['content-type']]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ]);
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    samples.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

const PARKED = 'purser_stripe_events_waiting{state="parked"}';
const OLDEST = 'purser_stripe_events_oldest_seconds{state="parked"}';
const FINDINGS = 'purser_reconcile_findings_open';

test('a parked event is counted, with its age, for as long as it waits', async () => {
  expect(await scrape()).toMatchObject({
    [PARKED]: 0,
    [OLDEST]: 0,
    'purser_stripe_events_waiting{state="received"}': 0,
    [FINDINGS]: 0,
  });
  const { fake, deliver, db } = stage;
  const lines = [{ price: 'price_unheard' }];
  const paid = fake.completeSession(fake.createSession({ userId: 'mo', lines }).id);
  expect(await deliver(paid)).toBe('parked');
  await db.sql("UPDATE stripe_events SET received_at = now() - interval '1 hour'");
  await reconcileOn(stage, { apply: true });
  const waiting = await scrape();
  expect(waiting).toMatchObject({ [PARKED]: 1, [FINDINGS]: 1 });
  expect(Math.floor((waiting[OLDEST] ?? 0) / 60)).toBe(60);
  await ignoreEvent(db.pool, { id: paid.id, note: 'seen' });
  expect(await scrape()).toMatchObject({ [PARKED]: 0, [OLDEST]: 0 });
});

test('the process tells what it uses', async () => {
  const { process_resident_memory_bytes: memory = 0 } = await scrape();
  expect(memory).toBeGreaterThan(10_000_000);
});

test('only a key with the scope may read them', async () => {
  expect((await api.call('GET', '/metrics')).status).toBe(401);
  expect((await api.call('GET', '/metrics', { as: 'mo' })).status).toBe(403);
  const key = await api.makeKey('credits:read', 'credits:spend', 'credits:grant');
  const { status, body } = await api.call('GET', '/metrics', { key });
  expect([status, body.error.required_scope]).toEqual([403, 'metrics:read']);
  const admin = await api.makeKey('admin');
  expect((await api.call('GET', '/metrics', { key: admin })).status).toBe(200);
});
