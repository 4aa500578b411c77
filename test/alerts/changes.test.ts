import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { enableEndpoint, listEndpoints, updateEndpoint } from '../../src/alerts/endpoints.ts';
import { grant } from '../support/commands.ts';
import { holdRows, lockWaits } from '../support/database.ts';
import {
  anotherWorker,
  database,
  deliveries,
  ledger,
  letTimePass,
  logged,
  makeEndpoint,
  receiver,
  underWay,
  useAlerts,
  worker,
} from './harness.ts';

useAlerts();

test('an endpoint is enabled while the end of an attempt is written, and neither fails', async () => {
  const { id } = await makeEndpoint();
  const { running, answer } = await underWay(grant('ada', 1));
  const held = await holdRows(database, 'SELECT FROM webhook_endpoints FOR NO KEY UPDATE');
  const enabled = enableEndpoint(database.pool, id);
  await expect.poll(() => lockWaits(database)).toBe(1);
  answer(500);
  await expect.poll(() => lockWaits(database)).toBe(2);
  await held.release();
  expect(await enabled).toBe(true);
  await running;
  expect(logged.map(({ what }) => what)).not.toContain(
    'what became of a webhook cannot be written',
  );
});

test('what the old URL answers while an endpoint is moved does not disable it', async () => {
  const { id } = await makeEndpoint(null, '?old');
  const { running, answer } = await underWay(grant('bob', 1));
  const held = await holdRows(database, 'SELECT FROM alert_deliveries FOR UPDATE');
  answer(410);
  await expect.poll(() => lockWaits(database)).toBe(1);
  const moved = updateEndpoint(database.pool, id, { url: `${receiver.url}?new` });
  await expect.poll(() => lockWaits(database)).toBe(2);
  await held.release();
  await moved;
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

test('an endpoint stays enabled when the end of an attempt is written at that moment', async () => {
  const { id } = await makeEndpoint();
  const { running, answer } = await underWay(grant('dan', 1));
  await database.sql(
    `UPDATE webhook_endpoints SET failures = 20, failing_since = now() - interval '4 days'`,
  );
  const held = await holdRows(database, 'SELECT FROM webhook_endpoints FOR NO KEY UPDATE');
  const enabled = enableEndpoint(database.pool, id);
  await expect.poll(() => lockWaits(database)).toBe(1);
  answer(500);
  await expect.poll(() => lockWaits(database)).toBe(2);
  await held.release();
  await enabled;
  await running;
  expect(await listEndpoints(database.pool)).toMatchObject([{ disabledAt: null }]);
});

test('what fails at the old URL after an endpoint has moved goes to the new one at once', async () => {
  const { id } = await makeEndpoint(null, '?old');
  // As many as are sent at once: nothing is taken up again before one of them ends.
  const users = Array.from({ length: 8 }, (_, i) => `eve-${i}`);
  for (const user of users) await ledger.post(grant(user, 1));
  const asked: ServerResponse[] = [];
  receiver.answer(({ path }, response) => {
    if (path.endsWith('?new')) return 204;
    asked.push(response);
    return null;
  });
  const running = worker.run();
  await expect.poll(() => asked.length).toBe(users.length);
  await updateEndpoint(database.pool, id, { url: `${receiver.url}?new` });
  // What the old URL has taken is not sent again.
  asked.shift()?.writeHead(204).end();
  const taken = { state: 'delivered', attempts: 1 };
  await expect.poll(deliveries).toContainEqual(expect.objectContaining(taken));
  for (const response of asked) response.writeHead(500).end();
  await running;
  expect((await deliveries()).map(({ state }) => state)).toEqual(users.map(() => 'delivered'));
});

test('an attempt that is given back after its pauses were ended takes nothing of the next ones', async () => {
  const { id } = await makeEndpoint();
  const { running } = await underWay(grant('fay', 1));
  // Also what the worker takes up before it stops.
  receiver.answer(() => null);
  const stopped = worker.stop();
  await enableEndpoint(database.pool, id);
  await Promise.all([stopped, running]);
  receiver.answer(() => 500);
  await letTimePass();
  await anotherWorker().run();
  expect(await deliveries()).toMatchObject([{ state: 'pending', status: 500 }]);
});
