import { expect, onTestFinished, test, vi } from 'vitest';
import { makeServiceKey } from '../../src/auth/service-key.ts';
import { createTestDatabase } from '../support/database.ts';
import { makeFolder, servePurser } from '../support/process.ts';
import { startProxy } from '../support/proxy.ts';

test('a connection that breaks in the middle of a transaction costs that request, not the server', async () => {
  const database = await createTestDatabase();
  const proxy = await startProxy(database.url);
  onTestFinished(async () => {
    await proxy.close();
    await database.drop();
  });
  const key = makeServiceKey();
  const server = await servePurser(['--folder', await makeFolder()], {
    env: { DATABASE_URL: proxy.url, PURSER_ADMIN_KEY: key },
  });
  const makeEndpoint = () =>
    fetch(`${server.url}/api/v1/webhook-endpoints`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ url: 'https://example.com/alerts' }),
    });
  const blocker = await database.pool.connect();
  await blocker.query('BEGIN; LOCK TABLE webhook_endpoints IN SHARE UPDATE EXCLUSIVE MODE');
  const refused = makeEndpoint();
  await vi.waitFor(async () => {
    const waiting = await database.sql(
      `SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(waiting).toHaveLength(1);
  });
  await proxy.goAway();
  const { status, headers } = await refused;
  expect([status, headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)]);
  await blocker.query('ROLLBACK');
  blocker.release();
  await proxy.comeBack();
  await expect.poll(async () => (await makeEndpoint()).status, { timeout: 10_000 }).toBe(200);
  expect(await server.stop()).toMatchObject({ code: 0, stderr: '' });
});
