import { expect, test } from 'vitest';
import { enableEndpoint, listEndpoints, updateEndpoint } from '../../src/alerts/endpoints.ts';
import { grant } from '../support/commands.ts';
import { database, ledger, logged, makeEndpoint, receiver, useAlerts, worker } from './harness.ts';

useAlerts();

/** How many wait for a lock in this database. */
async function waiting(): Promise<number> {
  const rows = await database.sql(
    `SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows.length;
}

/** An alert that is being sent. @returns what ends that, with this answer */
async function underWay(user: string) {
  let response: { writeHead: (status: number) => { end: () => void } } | null = null;
  receiver.answer((_, one) => {
    response = one;
    return null;
  });
  await ledger.post(grant(user, 1));
  const running = worker.run();
  await expect.poll(() => response).not.toBeNull();
  receiver.answer(() => 204);
  return {
    running,
    answer(status: number) {
      response?.writeHead(status).end();
    },
  };
}

test('an endpoint is enabled while the end of an attempt is written, and neither fails', async () => {
  const { id } = await makeEndpoint();
  const { running, answer } = await underWay('ada');
  const client = await database.pool.connect();
  await client.query('BEGIN');
  await client.query('UPDATE webhook_endpoints SET failures = failures');
  const enabled = enableEndpoint(database.pool, id);
  await expect.poll(waiting).toBe(1);
  answer(500);
  await expect.poll(waiting).toBe(2);
  await client.query('COMMIT');
  client.release();
  expect(await enabled).toBe(true);
  await running;
  expect(logged.map(({ what }) => what)).not.toContain(
    'what became of a webhook cannot be written',
  );
});

test('what the old URL answers after an endpoint has moved does not disable it', async () => {
  const { id } = await makeEndpoint(null, '?old');
  const { running, answer } = await underWay('bob');
  await updateEndpoint(database.pool, id, { url: `${receiver.url}?new` });
  answer(410);
  await running;
  expect(await listEndpoints(database.pool)).toMatchObject([{ failures: 0, disabledAt: null }]);
});

test('an endpoint that has moved starts anew: what waits goes there at once', async () => {
  const { id } = await makeEndpoint(null, '?old');
  receiver.answer(() => 500);
  await ledger.post(grant('cid', 1));
  await worker.run();
  await database.sql(
    `UPDATE webhook_endpoints SET failures = 20, failing_since = now() - interval '4 days'`,
  );
  await updateEndpoint(database.pool, id, { types: null });
  expect(await listEndpoints(database.pool)).toMatchObject([{ failures: 20 }]);
  await updateEndpoint(database.pool, id, { url: `${receiver.url}?new` });
  expect(await listEndpoints(database.pool)).toMatchObject([{ failures: 0, failingSince: null }]);
  await worker.run();
  expect(receiver.received.map(({ path }) => path)).toEqual(['/hook?old', '/hook?new']);
  expect(await listEndpoints(database.pool)).toMatchObject([{ failures: 1, disabledAt: null }]);
});
