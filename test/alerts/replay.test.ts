import { expect, test } from 'vitest';
import { listDeliveries } from '../../src/alerts/deliveries.ts';
import {
  deleteEndpoint,
  enableEndpoint,
  listEndpoints,
  MOST_ENDPOINTS,
  rotateSecret,
} from '../../src/alerts/endpoints.ts';
import { MOST_REPLAYED, type Replay, replay } from '../../src/alerts/replay.ts';
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

/** How many become due. */
const replayed = async (endpoint: string, which: Replay) =>
  (await replay(database.pool, endpoint, which))?.due;

const idsReceived = () => receiver.received.map(({ id }) => id);

test('what was given up is delivered on demand, before what came later', async () => {
  const { id } = await makeEndpoint();
  for (const n of [1, 2]) await ledger.post(grant('ada', n));
  await database.sql(
    `UPDATE alert_deliveries SET state = 'failed', next_attempt_at = NULL, retries = 11`,
  );
  await ledger.post(grant('ada', 3));
  expect(await replayed(id, { failed: true })).toBe(2);
  await worker.run();
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([1, 2, 3]);
  expect(await replayed(id, { failed: true })).toBe(0);
});

test('a replay since a moment delivers again, under the same ids, also what came before the endpoint', async () => {
  await ledger.post(grant('bob', 30));
  const { id } = await makeEndpoint(['credits.granted']);
  await ledger.post(grant('bob', 1));
  await ledger.post(debit('bob', 31));
  await worker.run();
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([1]);
  const since = Date.now() - 60_000;
  expect(await replayed(id, { since })).toBe(2);
  // What is pending already stays as it is.
  expect(await replayed(id, { since })).toBe(0);
  await worker.run();
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([1, 30, 1]);
  expect(idsReceived()[2]).toBe(idsReceived()[0]);
  expect(await replayed(id, { since: Date.now() + 60_000 })).toBe(0);
});

test('named alerts are delivered again, of whatever type', async () => {
  const { id } = await makeEndpoint(['credits.low']);
  await ledger.post(grant('cid', 30));
  const [granted] = await database.sql<{ id: string }>('SELECT id FROM alerts');
  expect(await replayed(id, { alerts: [granted?.id ?? ''] })).toBe(1);
  await worker.run();
  expect(idsReceived()).toEqual([granted?.id]);
});

test('the deliveries are listed, the latest first, with what came of them', async () => {
  const { id: endpointId } = await makeEndpoint();
  await ledger.post(grant('dan', 30));
  await ledger.post(grant('eve', 30));
  receiver.answer(({ data }) => (data['user_id'] === 'dan' ? 500 : 200));
  await worker.run();
  const page = (more = {}) => listDeliveries(database.pool, { endpointId, limit: 10, ...more });
  const list = async (more = {}) => (await page(more))?.deliveries;
  expect(await list()).toMatchObject([
    { userId: 'eve', type: 'credits.granted', state: 'delivered', status: 200, problem: null },
    { userId: 'dan', state: 'pending', attempts: 1, status: 500, problem: 'it answered 500' },
  ]);
  expect(await list({ state: 'delivered' })).toMatchObject([{ userId: 'eve' }]);
  expect(await list({ userId: 'dan' })).toMatchObject([{ state: 'pending' }]);
  const first = await page({ limit: 1 });
  const second = await page({ limit: 1, before: first?.next });
  expect([first, second].map((one) => one?.deliveries[0]?.userId)).toEqual(['eve', 'dan']);
  expect(await page({ limit: 1, before: second?.next })).toEqual({ deliveries: [], next: null });

  await deleteEndpoint(database.pool, endpointId);
  expect(await list()).toMatchObject([{ userId: 'eve', state: 'delivered' }]);
});

test('a replay of more than may become due at once goes on where it ended', async () => {
  await database.sql(
    `INSERT INTO alerts (user_id, seq, type, data, created_at)
     SELECT 'user-' || n, 1, 'credits.granted', '{}', now() FROM generate_series(1, $1) n`,
    [MOST_REPLAYED + 1],
  );
  const { id } = await makeEndpoint();
  const since = Date.now() - 60_000;
  for (const which of [{ since }, { failed: true }] as const) {
    const first = await replay(database.pool, id, which);
    // As when they were delivered meanwhile.
    await database.sql(
      `UPDATE alert_deliveries SET state = 'delivered', next_attempt_at = NULL
        WHERE state = 'pending'`,
    );
    const rest = await replay(database.pool, id, which, first?.next ?? 0);
    expect([first?.due, rest]).toEqual([MOST_REPLAYED, { due: 1, next: null, disabled: false }]);
    await database.sql(`UPDATE alert_deliveries SET state = 'failed', next_attempt_at = NULL`);
  }
});

test('what is delivered again has all its attempts anew, whether named or enabled', async () => {
  const { id } = await makeEndpoint();
  const retries = async () =>
    (await database.sql<{ retries: number }>('SELECT retries FROM alert_deliveries'))[0]?.retries;
  await ledger.post(grant('jon', 1));
  await database.sql('UPDATE alert_deliveries SET retries = 7');
  await enableEndpoint(database.pool, id);
  expect(await retries()).toBe(0);
  const [alert] = await database.sql<{ id: string }>('SELECT id FROM alerts');
  for (const which of [{ failed: true }, { alerts: [alert?.id ?? ''] }] as const) {
    await database.sql(
      `UPDATE alert_deliveries SET state = 'failed', next_attempt_at = NULL, retries = 13`,
    );
    expect(await replayed(id, which)).toBe(1);
    expect(await retries()).toBe(0);
  }
});

test('a deleted endpoint gets nothing, loses its secret, and makes room for another one', async () => {
  const { id } = await makeEndpoint();
  for (let i = 1; i < MOST_ENDPOINTS; i += 1) await makeEndpoint(null, `?${i}`);
  await expect(makeEndpoint()).rejects.toThrow(/too many/);
  await ledger.post(grant('fay', 1));
  await rotateSecret(database.pool, id, 24);
  expect(await deleteEndpoint(database.pool, id)).toBe(true);
  expect(await deleteEndpoint(database.pool, id)).toBe(false);
  await ledger.post(grant('fay', 1));
  await worker.run();
  expect(receiver.received).toHaveLength(2 * (MOST_ENDPOINTS - 1));
  expect(await replay(database.pool, id, { since: 0 })).toBeNull();
  expect((await listEndpoints(database.pool)).map((one) => one.id)).not.toContain(id);
  expect(
    await database.sql(`SELECT id, previous_secret FROM webhook_endpoints WHERE secret IS NULL`),
  ).toEqual([{ id, previous_secret: null }]);
  // What came after its deletion was not filed for it.
  expect(
    await database.sql('SELECT FROM alert_deliveries WHERE endpoint_id = $1', [id]),
  ).toHaveLength(1);
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
