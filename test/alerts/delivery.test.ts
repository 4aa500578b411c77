import { expect, test } from 'vitest';
import {
  disableEndpoint,
  enableEndpoint,
  listEndpoints,
  rotateSecret,
} from '../../src/alerts/endpoints.ts';
import { debit, grant } from '../support/commands.ts';
import { isGenuine } from '../support/webhook-receiver.ts';
import {
  database,
  deliveries,
  ledger,
  letTimePass,
  logged,
  makeEndpoint,
  receiver,
  useAlerts,
  worker,
} from './harness.ts';

useAlerts();

const typesReceived = () => receiver.received.map(({ type }) => type);
const statesOnRecord = async () => (await deliveries()).map(({ state }) => state);

test('an alert is posted once, as the Standard Webhooks specification says, and verifies', async () => {
  const { secret } = await makeEndpoint();
  await ledger.post(grant('ada', 50));
  await worker.run();
  await worker.run();
  expect(receiver.received).toHaveLength(1);
  const [alert] = await database.sql<{ id: string; created_at: Date; data: unknown }>(
    'SELECT id, created_at, data FROM alerts',
  );
  const [one] = receiver.received;
  if (!one) throw new Error('nothing was received');
  expect(one.headers).toMatchObject({
    'content-type': 'application/json',
    'webhook-id': alert?.id,
  });
  expect(JSON.parse(one.body)).toEqual({
    type: 'credits.granted',
    timestamp: alert?.created_at.toISOString(),
    data: alert?.data,
  });
  expect(isGenuine(one, secret)).toBe(true);
  expect(isGenuine(one, secret.replace(/....=$/, 'AAAA='))).toBe(false);
  expect(isGenuine({ ...one, body: one.body.replace('50', '51') }, secret)).toBe(false);
  expect(await deliveries()).toMatchObject([{ state: 'delivered', attempts: 1, status: 204 }]);
});

test('an endpoint gets the types that it wants, from its creation on', async () => {
  await ledger.post(grant('bob', 50));
  await makeEndpoint(['credits.depleted', 'credits.low']);
  await ledger.post(grant('bob', 50));
  await ledger.post(debit('bob', 100));
  await worker.run();
  expect(typesReceived()).toEqual(['credits.low', 'credits.depleted']);
});

test('after a rotation both secrets verify, until the old one’s time is over', async () => {
  const { id, secret } = await makeEndpoint();
  const next = (await rotateSecret(database.pool, id, 24)) ?? '';
  expect(next).not.toBe(secret);
  await ledger.post(grant('cid', 1));
  await worker.run();
  await database.sql(`UPDATE webhook_endpoints SET previous_until = now() - interval '1 second'`);
  await ledger.post(grant('cid', 1));
  await worker.run();
  const verdicts = receiver.received.map((one) => [secret, next].map((s) => isGenuine(one, s)));
  expect(verdicts).toEqual([
    [true, true],
    [false, true],
  ]);
});

test('the first secret verifies also after a second rotation, until one ends all of them', async () => {
  const { id, secret: first } = await makeEndpoint();
  const rotate = async (hours: number) => (await rotateSecret(database.pool, id, hours)) ?? '';
  const secrets = [first, await rotate(24), await rotate(2)];
  const [{ previousUntil } = { previousUntil: 0 }] = await listEndpoints(database.pool);
  expect(Math.round((Number(previousUntil) - Date.now()) / 3_600_000)).toBe(24);
  await ledger.post(grant('cid', 1));
  await worker.run();
  secrets.push(await rotate(0));
  await ledger.post(grant('cid', 1));
  await worker.run();
  const verdicts = receiver.received.map((one) => secrets.map((s) => isGenuine(one, s)));
  expect(verdicts).toEqual([
    [true, true, true, false],
    [false, false, false, true],
  ]);
});

test('a failure holds back what comes later for its account, and nobody else’s', async () => {
  await makeEndpoint();
  receiver.answer(({ data }) => (data['user_id'] === 'dan' ? 500 : 200));
  for (const userId of ['dan', 'eve', 'dan', 'eve']) await ledger.post(grant(userId, 5));
  await worker.run();
  const ofDan = () => receiver.received.filter(({ data }) => data['user_id'] === 'dan');
  expect(receiver.received).toHaveLength(3);
  expect(ofDan().map(({ data }) => data['seq'])).toEqual([1]);

  receiver.answer(() => 200);
  await letTimePass();
  await worker.run();
  expect(ofDan().map(({ data }) => data['seq'])).toEqual([1, 1, 2]);
  expect(new Set(ofDan().map(({ id }) => id)).size).toBe(2);
  expect(await statesOnRecord()).toEqual(Array(4).fill('delivered'));
});

test('a dead endpoint holds back no other', async () => {
  const dead = await makeEndpoint(null, '?dead');
  const alive = await makeEndpoint();
  await database.sql(`UPDATE webhook_endpoints SET url = 'http://127.0.0.1:1/' WHERE id = $1`, [
    dead.id,
  ]);
  for (const n of [1, 2, 3]) await ledger.post(grant('fay', n));
  await worker.run();
  expect(receiver.received.map((one) => isGenuine(one, alive.secret))).toEqual([true, true, true]);
  const [failing, healthy] = await listEndpoints(database.pool);
  expect(failing).toMatchObject({ failures: 1, pending: 3 });
  expect(healthy).toMatchObject({ failures: 0, failingSince: null, pending: 0 });
  expect(logged).toMatchObject(
    [{ fields: { problem: 'the connection failed: ECONNREFUSED' }, what: /not delivered/ }].map(
      (one) => ({ ...one, what: 'a webhook was not delivered' }),
    ),
  );
});

test('what fails is tried over days, ever more seldom, and is then given up for the next', async () => {
  await makeEndpoint();
  receiver.answer(() => 503);
  await ledger.post(grant('gus', 1));
  await ledger.post(grant('gus', 2));
  let waited = 0;
  const pauses: number[] = [];
  for (;;) {
    await worker.run();
    const [first] = await database.sql<{ state: string; pause: number }>(
      `SELECT state, extract(epoch FROM next_attempt_at - now())::float8 AS pause
         FROM alert_deliveries ORDER BY position LIMIT 1`,
    );
    if (first?.state !== 'pending') break;
    pauses.push(first.pause);
    waited += first.pause;
    await letTimePass();
  }
  expect(pauses.length).toBeGreaterThan(7);
  expect(pauses[0]).toBeLessThan(10);
  // 4.8 days, and a fifth more or less.
  expect(waited / 86_400).toBeGreaterThan(3.8);
  expect(waited / 86_400).toBeLessThan(5.8);
  expect(await deliveries()).toMatchObject([
    { state: 'failed', attempts: pauses.length + 1, status: 503, problem: 'it answered 503' },
    { state: 'pending', attempts: 1 },
  ]);
});

test('410 disables the endpoint; enabled again, it gets what waited and what came meanwhile', async () => {
  const { id } = await makeEndpoint();
  receiver.answer(() => 410);
  await ledger.post(grant('hal', 1));
  await worker.run();
  await ledger.post(grant('hal', 2));
  await letTimePass();
  await worker.run();
  expect(receiver.received).toHaveLength(1);
  expect(await listEndpoints(database.pool)).toMatchObject([
    { disabledReason: 'it answered 410 Gone', pending: 2, failures: 1 },
  ]);
  receiver.answer(() => 200);
  expect(await enableEndpoint(database.pool, id)).toBe(true);
  await worker.run();
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([1, 1, 2]);
  expect(await listEndpoints(database.pool)).toMatchObject([
    { disabledAt: null, disabledReason: null, pending: 0, failures: 0 },
  ]);
});

test('an endpoint that has only failed for three days is disabled, one that failed often is not', async () => {
  await makeEndpoint();
  receiver.answer(() => 500);
  for (let i = 0; i < 12; i += 1) await ledger.post(grant(`ida-${i}`, 1));
  await worker.run();
  expect(await listEndpoints(database.pool)).toMatchObject([{ failures: 12, disabledAt: null }]);
  await database.sql(`UPDATE webhook_endpoints SET failing_since = now() - interval '73 hours'`);
  await letTimePass();
  await worker.run();
  expect(await listEndpoints(database.pool)).toMatchObject([
    { disabledAt: expect.any(Number), disabledReason: 'nothing was delivered for 3 days' },
  ]);
  expect(logged.map(({ what }) => what)).toContain('an endpoint is disabled');
});

test('one success in between forgives the failures before it', async () => {
  await makeEndpoint();
  receiver.answer(({ data }) => (data['user_id'] === 'jon' ? 500 : 200));
  await ledger.post(grant('jon', 1));
  await worker.run();
  await ledger.post(grant('kim', 1));
  await worker.run();
  expect(await listEndpoints(database.pool)).toMatchObject([{ failures: 0, failingSince: null }]);
});

test('a disabled endpoint is left alone', async () => {
  const { id } = await makeEndpoint();
  expect(await disableEndpoint(database.pool, id)).toBe(true);
  await ledger.post(grant('leo', 1));
  await worker.run();
  expect(receiver.received).toEqual([]);
  expect(await deliveries()).toMatchObject([{ state: 'pending', attempts: 0 }]);
});

test('a redirect is not followed and counts as a failure', async () => {
  await makeEndpoint();
  receiver.answer((_, response) => {
    response.writeHead(302, { location: `${receiver.url}?elsewhere` }).end();
    return null;
  });
  await ledger.post(grant('mia', 1));
  await worker.run();
  expect(receiver.received).toHaveLength(1);
  expect(await deliveries()).toMatchObject([{ state: 'pending', status: 302 }]);
});

test('an answer that never ends is cut off: its status is what counts', async () => {
  await makeEndpoint();
  receiver.answer((_, response) => {
    response.writeHead(200);
    const pour = () => {
      while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
    };
    response.on('drain', pour);
    pour();
    return null;
  });
  await ledger.post(grant('ned', 1));
  await worker.run();
  expect(await statesOnRecord()).toEqual(['delivered']);
});
