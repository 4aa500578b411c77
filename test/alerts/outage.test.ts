import { expect, test } from 'vitest';
import { pauseAfter } from '../../src/alerts/back-off.ts';
import { enableEndpoint, listEndpoints } from '../../src/alerts/endpoints.ts';
import { grant } from '../support/commands.ts';
import {
  database,
  deliveries,
  ledger,
  letTimePass,
  makeEndpoint,
  receiver,
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
