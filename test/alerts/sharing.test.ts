import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEndpoint, MOST_ENDPOINTS } from '../../src/alerts/endpoints.ts';
import { replay } from '../../src/alerts/replay.ts';
import { debit, grant } from '../support/commands.ts';
import { holdRows, lockWaits } from '../support/database.ts';
import { type Received, serveWithWebhooks } from '../support/webhook-receiver.ts';
import {
  anotherWorker,
  database,
  deliveries,
  ledger,
  letTimePass,
  makeEndpoint,
  receiver,
  underWay,
  useAlerts,
  worker,
} from './harness.ts';

useAlerts();

const pending = async () => (await deliveries()).filter(({ state }) => state === 'pending').length;

/** The ids in their order, by who they are for. */
function byQueue(items: readonly { readonly queue: string; readonly id: string }[]) {
  const queues = new Map<string, string[]>();
  for (const { queue, id } of items) queues.set(queue, [...(queues.get(queue) ?? []), id]);
  return queues;
}
const asItem = ({ path, id, data }: Received) => ({ queue: `${path} ${data['user_id']}`, id });

/** What was filed, for whom, in the order of the alerts. */
const filed = () =>
  database.sql<{ queue: string; id: string }>(
    `SELECT substring(url FROM '/hook.*') || ' ' || a.user_id AS queue, a.id
       FROM alert_deliveries d
       JOIN alerts a USING (position)
       JOIN webhook_endpoints e ON e.id = endpoint_id
      ORDER BY position`,
  );

test('several processes share the work: each alert is delivered once, in order', async () => {
  await makeEndpoint();
  for (let i = 0; i < 60; i += 1) await ledger.post(grant(`user-${i % 20}`, 1));
  await Promise.all([worker, anotherWorker(), anotherWorker()].map((one) => one.run()));
  // One that found nothing left has ended before the others.
  await worker.run();
  expect(receiver.received).toHaveLength(60);
  expect(byQueue(receiver.received.map(asItem))).toEqual(byQueue(await filed()));
});

test('whatever fails, an account’s alerts arrive all and in order at each endpoint', async () => {
  // So few that none is given up.
  const answers = fc.array(fc.constantFrom(200, 500, 302, 404), { maxLength: 10 });
  const users = fc.array(fc.constantFrom('ada', 'bob', 'cid'), { minLength: 1, maxLength: 10 });
  const workers = [worker, anotherWorker()];
  await fc.assert(
    fc.asyncProperty(answers, users, async (statuses, steps) => {
      await database.sql('TRUNCATE alerts, webhook_endpoints, alert_deliveries');
      for (const path of ['', '?second']) await makeEndpoint(null, path);
      const taken: Received[] = [];
      const coming = [...statuses];
      receiver.answer((one) => {
        const status = coming.shift() ?? 200;
        if (status === 200) taken.push(one);
        return status;
      });
      for (const user of steps) {
        await ledger.post(grant(user, 30));
        await ledger.post(debit(user, 30));
        if (user === 'ada') await worker.run();
      }
      while ((await pending()) > 0) {
        await letTimePass();
        await Promise.all(workers.map((one) => one.run()));
      }
      expect(byQueue(taken.map(asItem))).toEqual(byQueue(await filed()));
    }),
    { numRuns: 30 },
  );
});

test('a process that is killed after it sent and before it noted that loses nothing', async () => {
  await makeEndpoint();
  const server = await serveWithWebhooks(database.url);
  receiver.answer(() => {
    process.kill(server.pid, 'SIGKILL');
    return 200;
  });
  await ledger.post(grant('dan', 1));
  await server.ended();
  expect(await deliveries()).toMatchObject([{ state: 'pending', attempts: 1 }]);

  receiver.answer(() => 200);
  await worker.run();
  expect(receiver.received).toHaveLength(1);
  await letTimePass();
  await worker.run();
  const [first, again] = receiver.received;
  expect(again?.id).toBe(first?.id);
  expect(await deliveries()).toMatchObject([{ state: 'delivered', attempts: 2 }]);
});

test('a server that is stopped gives back what it has under way, and that counts for nothing', async () => {
  await makeEndpoint();
  receiver.answer(() => null);
  await ledger.post(grant('eve', 1));
  const running = worker.run();
  await expect.poll(() => receiver.received.length).toBe(1);
  await worker.stop();
  await running;
  const [row] = await database.sql(
    'SELECT state, retries, next_attempt_at <= now() AS due, problem FROM alert_deliveries',
  );
  expect(row).toEqual({ state: 'pending', retries: 0, due: true, problem: null });
});

test('an alert that is filed while its predecessor ends is not held up', async () => {
  await makeEndpoint();
  await ledger.post(grant('gus', 1));
  // Something to forgive, so that the end of the first one waits for the endpoint's row.
  await database.sql('UPDATE webhook_endpoints SET failures = 1, failing_since = now()');
  const held = await holdRows(database, 'SELECT FROM webhook_endpoints FOR NO KEY UPDATE');
  const running = worker.run();
  await expect.poll(() => lockWaits(database)).toBe(1);
  await ledger.post(grant('gus', 2));
  // Finds the first one pending still.
  await anotherWorker().run();
  await held.release();
  await running;
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([1, 2]);
});

test('the end of one leaves alone what is under way already', async () => {
  const { id } = await makeEndpoint();
  await ledger.post(grant('hal', 1));
  await worker.run();
  const [first] = await database.sql<{ id: string }>('SELECT id FROM alerts');
  receiver.answer(({ data }) => (data['amount'] === 2 ? null : 200));
  await ledger.post(grant('hal', 2));
  const running = worker.run();
  await expect.poll(() => receiver.received.length).toBe(2);
  // Comes before the one that is under way, and ends first.
  await replay(database.pool, id, { alerts: [first?.id ?? ''] });
  await anotherWorker().run();
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([1, 2, 1]);
  await worker.stop();
  await running;
});

test('an attempt that ends after another one was begun writes nothing', async () => {
  await makeEndpoint();
  const { running, answer } = await underWay(grant('fay', 1));
  await letTimePass();
  await anotherWorker().run();
  answer(500);
  await running;
  expect(await deliveries()).toMatchObject([{ state: 'delivered', attempts: 2, status: 204 }]);
});

test('what waits for a long pause is looked at every hour: whoever was to wake it may be gone', async () => {
  await makeEndpoint();
  for (const n of [1, 2]) await ledger.post(grant('ida', n));
  await database.sql(
    `UPDATE alert_deliveries SET next_attempt_at = now() + interval '1 day'
      WHERE position = (SELECT min(position) FROM alert_deliveries)`,
  );
  await worker.run();
  const [, second] = await database.sql<{ minutes: number }>(
    `SELECT extract(epoch FROM next_attempt_at - now())::float8 / 60 AS minutes
       FROM alert_deliveries ORDER BY position`,
  );
  expect(Math.round(second?.minutes ?? 0)).toBe(60);
  expect(receiver.received).toEqual([]);
});

test('endpoints that are made at once are together as many as there may be', async () => {
  const wanted = { url: receiver.url, types: null };
  const made = await Promise.all(
    Array.from({ length: 2 * MOST_ENDPOINTS }, () => createEndpoint(database.pool, wanted)),
  );
  expect(made.filter((one) => one !== null)).toHaveLength(MOST_ENDPOINTS);
});
