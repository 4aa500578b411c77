import { expect, test } from 'vitest';
import { enableEndpoint, listEndpoints, updateEndpoint } from '../../src/alerts/endpoints.ts';
import { grant } from '../support/commands.ts';
import { holdRows, lockWaits } from '../support/database.ts';
import {
  database,
  ledger,
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

test('what the old URL answers after an endpoint has moved does not disable it', async () => {
  const { id } = await makeEndpoint(null, '?old');
  const { running, answer } = await underWay(grant('bob', 1));
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
