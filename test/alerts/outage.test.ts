import { expect, test } from 'vitest';
import { pauseAfter } from '../../src/alerts/back-off.ts';
import { disableEndpoint, enableEndpoint, listEndpoints } from '../../src/alerts/endpoints.ts';
import { grant } from '../support/commands.ts';
import {
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

const HOUR = 3_600_000;

/** Lets the pause of the oldest alert pass, for the endpoint, too. */
async function passPause(): Promise<void> {
  await database.sql(
    `UPDATE webhook_endpoints
        SET failing_since = failing_since - (SELECT next_attempt_at - now()
                                               FROM alert_deliveries ORDER BY position LIMIT 1)`,
  );
  await letTimePass();
}

test('in a long outage nothing is given up before the endpoint is disabled; enabled, it gets all in order', async () => {
  const { id } = await makeEndpoint();
  receiver.answer(() => 500);
  for (const n of [1, 2]) await ledger.post(grant('ada', n));
  const disabled = async () => (await listEndpoints(database.pool))[0]?.disabledReason;
  for (let attempts = 0; attempts < 20 && !(await disabled()); attempts += 1) {
    await worker.run();
    await passPause();
  }
  expect(await disabled()).toBe('nothing was delivered for 3 days');
  await ledger.post(grant('ada', 3));
  expect(new Set((await deliveries()).map(({ state }) => state))).toEqual(new Set(['pending']));

  receiver.answer(() => 200);
  receiver.forget();
  await enableEndpoint(database.pool, id);
  await worker.run();
  expect(receiver.received.map(({ data }) => data['amount'])).toEqual([1, 2, 3]);
});

/** The endpoint as after so many failures in so many hours. */
const afterFailures = (failures: number, hours: number) =>
  database.sql(
    `UPDATE webhook_endpoints
        SET failures = $1, failing_since = now() - $2 * interval '1 hour'`,
    [failures, hours],
  );
const endpoint = async () => (await listEndpoints(database.pool))[0];

test('it takes ten failures to be disabled, however long ago the first was', async () => {
  await makeEndpoint();
  receiver.answer(() => 500);
  await ledger.post(grant('bob', 1));
  await afterFailures(8, 1_000);
  await worker.run();
  expect(await endpoint()).toMatchObject({ failures: 9, disabledReason: null });
  await letTimePass();
  await worker.run();
  expect(await endpoint()).toMatchObject({
    failures: 10,
    disabledReason: 'nothing was delivered for 3 days',
  });
});

test('an endpoint that is enabled again starts anew: its failures before are forgotten', async () => {
  const { id } = await makeEndpoint();
  receiver.answer(() => 500);
  await ledger.post(grant('cid', 1));
  await afterFailures(30, 100);
  await enableEndpoint(database.pool, id);
  expect(await endpoint()).toMatchObject({ failures: 0, failingSince: null });
  await worker.run();
  expect(await endpoint()).toMatchObject({ failures: 1, disabledReason: null });
});

test('the first reason for which an endpoint was disabled stays', async () => {
  const { id } = await makeEndpoint();
  const { running, answer } = await underWay(grant('dan', 1));
  await disableEndpoint(database.pool, id);
  answer(410);
  await running;
  expect(await endpoint()).toMatchObject({ disabledReason: 'it was disabled by hand' });
  expect(logged.map(({ what }) => what)).toEqual(['a webhook was not delivered']);
});

test('a process sends eight to an endpoint at once, and what others get does not wait', async () => {
  await makeEndpoint();
  for (let i = 0; i < 20; i += 1) await ledger.post(grant(`eve-${i}`, 1));
  const under: (() => void)[] = [];
  receiver.answer(({ path }, response) => {
    if (path.endsWith('?other')) return 204;
    under.push(() => response.writeHead(204).end());
    return null;
  });
  const running = worker.run();
  await expect.poll(() => under.length).toBe(8);
  await makeEndpoint(null, '?other');
  await ledger.post(grant('fay', 1));
  const arrived = () => receiver.received.some(({ path }) => path.endsWith('?other'));
  await expect.poll(arrived, { timeout: 5_000 }).toBe(true);
  expect(under).toHaveLength(8);
  receiver.answer(() => 204);
  for (const end of under) end();
  await running;
  expect(receiver.received).toHaveLength(22);
});

/** In minutes: the least of the first pause. */
const USUAL = 4 / 60;
const IN_AN_HOUR_AND_A_HALF = new Date(Date.now() + 1.5 * HOUR).toUTCString();

test.each([
  ['429 and 10 minutes', 429, '600', 10],
  ['503 and half a minute', 503, '30', 0.5],
  ['a date, of which an hour is heeded', 503, IN_AN_HOUR_AND_A_HALF, 60],
  ['more than an hour', 429, '9'.repeat(30), 60],
  ['less than the usual pause', 429, '1', USUAL],
  ['a date that is over', 429, 'Sun, 06 Nov 1994 08:49:37 GMT', USUAL],
  ['what is neither', 429, '-3 minutes', USUAL],
])('an endpoint that answers %s is asked again after that', async (_, status, after, minutes) => {
  await makeEndpoint();
  receiver.answer((__, response) => {
    response.writeHead(status, { 'retry-after': after }).end();
    return null;
  });
  await ledger.post(grant('gus', 1));
  await worker.run();
  const [row] = await database.sql<{ pause: number }>(
    `SELECT extract(epoch FROM next_attempt_at - attempted_at)::float8 / 60 AS pause
       FROM alert_deliveries`,
  );
  // Never earlier; a fifth later at most, or what is usual, and the time that the attempt took.
  expect(row?.pause).toBeGreaterThanOrEqual(minutes);
  expect(row?.pause).toBeLessThan(minutes * 1.2 + 0.2);
});

test('pauses differ by a fifth, so that what failed together does not come together', () => {
  const pauses = (random: number) => {
    const found: number[] = [];
    for (let n = 1; ; n += 1) {
      const pause = pauseAfter(n, random);
      if (pause === null) return found;
      found.push(pause);
    }
  };
  expect(pauses(0)).toEqual(pauses(0.5).map((pause) => pause * 0.8));
  expect(pauses(1)).toEqual(pauses(0.5).map((pause) => pause * 1.2));
  // However they fall, the last attempt but one comes after the days that disable an endpoint.
  const beforeTheLast = pauses(0).slice(0, -1);
  expect(beforeTheLast.reduce((sum, pause) => sum + pause, 0)).toBeGreaterThan(72 * HOUR);
});
