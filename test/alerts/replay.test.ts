import { expect, test } from 'vitest';
import { listDeliveries, replay } from '../../src/alerts/deliveries.ts';
import { deleteEndpoint, listEndpoints, MOST_ENDPOINTS } from '../../src/alerts/endpoints.ts';
import { removeOldAlerts } from '../../src/alerts/retention.ts';
import { debit, grant } from '../support/commands.ts';
import {
  database,
  deliveries,
  ledger,
  makeEndpoint,
  receiver,
  useAlerts,
  worker,
} from './harness.ts';

useAlerts();

const idsReceived = () => receiver.received.map(({ id }) => id);

test('what was given up is delivered on demand, before what came later', async () => {
  const { id } = await makeEndpoint();
  for (const n of [1, 2]) await ledger.post(grant('ada', n));
  await database.sql(
    `UPDATE alert_deliveries SET state = 'failed', next_attempt_at = NULL, retries = 11`,
  );
  await ledger.post(grant('ada', 3));
  expect(await replay(database.pool, id, { failed: true })).toBe(2);
  await worker.run();
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([1, 2, 3]);
  expect(await replay(database.pool, id, { failed: true })).toBe(0);
});

test('a replay since a moment delivers again, under the same ids, also what came before the endpoint', async () => {
  await ledger.post(grant('bob', 30));
  const { id } = await makeEndpoint(['credits.granted']);
  await ledger.post(grant('bob', 1));
  await ledger.post(debit('bob', 31));
  await worker.run();
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([1]);
  const since = Date.now() - 60_000;
  expect(await replay(database.pool, id, { since })).toBe(2);
  // What is pending already stays as it is.
  expect(await replay(database.pool, id, { since })).toBe(0);
  await worker.run();
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([1, 30, 1]);
  expect(idsReceived()[2]).toBe(idsReceived()[0]);
  expect(await replay(database.pool, id, { since: Date.now() + 60_000 })).toBe(0);
});

test('named alerts are delivered again, of whatever type', async () => {
  const { id } = await makeEndpoint(['credits.low']);
  await ledger.post(grant('cid', 30));
  const [granted] = await database.sql<{ id: string }>('SELECT id FROM alerts');
  expect(await replay(database.pool, id, { alerts: [granted?.id ?? ''] })).toBe(1);
  await worker.run();
  expect(idsReceived()).toEqual([granted?.id]);
});

test('the deliveries are listed, the latest first, with what came of them', async () => {
  const { id: endpointId } = await makeEndpoint();
  await ledger.post(grant('dan', 30));
  await ledger.post(grant('eve', 30));
  receiver.answer(({ data }) => (data['user_id'] === 'dan' ? 500 : 200));
  await worker.run();
  const list = (more = {}) => listDeliveries(database.pool, { endpointId, limit: 10, ...more });
  expect(await list()).toMatchObject([
    { userId: 'eve', type: 'credits.granted', state: 'delivered', status: 200, problem: null },
    { userId: 'dan', state: 'pending', attempts: 1, status: 500, problem: 'it answered 500' },
  ]);
  expect(await list({ state: 'delivered' })).toMatchObject([{ userId: 'eve' }]);
  expect(await list({ userId: 'dan' })).toMatchObject([{ state: 'pending' }]);
  expect(await list({ limit: 1 })).toHaveLength(1);
});

test('a deleted endpoint gets nothing, loses its secret, and makes room for another one', async () => {
  const { id } = await makeEndpoint();
  for (let i = 1; i < MOST_ENDPOINTS; i += 1) await makeEndpoint(null, `?${i}`);
  await expect(makeEndpoint()).rejects.toThrow(/too many/);
  await ledger.post(grant('fay', 1));
  expect(await deleteEndpoint(database.pool, id)).toBe(true);
  expect(await deleteEndpoint(database.pool, id)).toBe(false);
  await ledger.post(grant('fay', 1));
  await worker.run();
  expect(receiver.received).toHaveLength(2 * (MOST_ENDPOINTS - 1));
  expect(await replay(database.pool, id, { since: 0 })).toBeNull();
  expect((await listEndpoints(database.pool)).map((one) => one.id)).not.toContain(id);
  expect(await database.sql('SELECT id FROM webhook_endpoints WHERE secret IS NULL')).toEqual([
    { id },
  ]);
  await makeEndpoint();
});

test('alerts are removed when they are old, with their deliveries', async () => {
  await makeEndpoint();
  for (const n of [1, 2, 3]) await ledger.post(grant('gus', n));
  await database.sql(
    `UPDATE alerts SET created_at = now() - interval '91 days'
      WHERE position < (SELECT max(position) FROM alerts)`,
  );
  await removeOldAlerts(database.pool, new AbortController().signal);
  expect(await deliveries()).toHaveLength(1);
  await worker.run();
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([3]);
});

test('old alerts are removed while deliveries are under way, too', async () => {
  await makeEndpoint();
  receiver.answer(() => null);
  for (const userId of ['hal', 'ida']) await ledger.post(grant(userId, 1));
  await database.sql(
    `UPDATE alerts SET created_at = now() - interval '91 days' WHERE user_id = 'ida'`,
  );
  worker.start();
  await expect.poll(async () => (await deliveries()).map((one) => one.user_id)).toEqual(['hal']);
});
