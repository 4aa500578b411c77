import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createLedger } from '../../src/ledger/ledger.ts';
import { grant } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { runPurser } from '../support/process.ts';
import { isGenuine, serveWithWebhooks, startWebhookReceiver } from '../support/webhook-receiver.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const webhooks = (...args: string[]) =>
  runPurser(['webhooks', ...args], { env: { DATABASE_URL: database.url } });
const list = async () => JSON.parse((await webhooks('list', '--json')).stdout);
const said = async (...args: string[]) => (await webhooks(...args)).stdout;

test('an endpoint is made, listed, told, rotated, disabled, enabled and deleted', async () => {
  const receiver = await startWebhookReceiver();
  const ledger = createLedger({ url: database.url, pool: database.pool });
  onTestFinished(async () => {
    await receiver.close();
    await ledger.close();
  });
  expect(await said('list')).toBe('There is no webhook endpoint.\n');
  const args = ['--url', receiver.url, '--event', 'credits.granted', '--event', 'credits.low'];
  const made = await webhooks('create', ...args);
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whsec_[\w+/]{43}=\n$/) });
  const secret = made.stdout.trim();
  const [, id = ''] =
    /^(we_[\w-]{12}) gets credits\.granted, credits\.low at /.exec(made.stderr) ?? [];
  expect(await list()).toEqual([
    {
      ...{ id, url: receiver.url, types: ['credits.granted', 'credits.low'] },
      created_at: expect.stringMatching(/Z$/),
      ...{ disabled_at: null, disabled_reason: null, failures: 0, failing_since: null },
      ...{ previous_until: null, pending: 0 },
    },
  ]);
  expect(await said('list')).not.toContain(secret);

  const { stdout } = await webhooks('rotate', id, '--overlap', '1');
  const next = stdout.trim();
  expect(next).toMatch(/^whsec_/);
  await ledger.post(grant('ada', 5));
  expect(await said('deliveries', id)).toMatch(/credits\.granted +ada +pending, due .* 0 +-\n$/);
  const server = await serveWithWebhooks(database.url);
  const soon = { timeout: 20_000 };
  await expect.poll(() => said('deliveries', id), soon).toMatch(/ada +delivered .* 1 +204\n$/);
  const [first] = receiver.received;
  if (!first) throw new Error('nothing was received');
  expect([secret, next].map((one) => isGenuine(first, one))).toEqual([true, true]);

  expect(await said('replay', id, '--since', '1h')).toBe(`1 alert is due at ${id}.\n`);
  await expect.poll(() => receiver.received.length, soon).toBe(2);
  expect(await said('disable', id)).toMatch(/is disabled; what happens meanwhile waits/);
  expect(await said('list')).toMatch(/disabled: it was disabled by hand +0 /);
  expect(await said('replay', id, first.id)).toBe(
    `1 alert is due at ${id}.\nIt is disabled: nothing is sent until it is enabled.\n`,
  );
  const nobodys = '00000000-0000-4000-8000-000000000000';
  expect(await webhooks('replay', id, first.id, nobodys)).toMatchObject({
    code: 1,
    stderr: `purser: There is no alert ${nobodys}, or none any more.\n`,
  });
  expect(await list()).toMatchObject([{ pending: 1 }]);
  expect(await said('enable', id)).toBe(`${id} is enabled.\n`);
  await expect.poll(() => receiver.received.length, soon).toBe(3);
  expect(new Set(receiver.received.map((one) => one.id)).size).toBe(1);
  expect(await server.stop()).toMatchObject({ code: 0 });

  const url = 'https://app.example.com/other';
  expect(await said('update', id, '--url', url, '--all-events')).toBe(`${id} is changed.\n`);
  expect(await list()).toMatchObject([{ url, types: null }]);
  await said('update', id, '--event', 'credits.low');
  expect(await list()).toMatchObject([{ url, types: ['credits.low'] }]);
  const leaked = await webhooks('rotate', id, '--overlap', '0');
  expect(leaked.stderr).toBe(
    `The old secret of ${id} signs no more. The new one, shown only now:\n`,
  );
  expect(await said('delete', id)).toBe(`${id} is deleted.\n`);
  expect(await list()).toEqual([]);
});

test('a replay makes everything due, however much it is', async () => {
  const { stderr } = await webhooks('create', '--url', 'https://app.example.com/hook');
  const id = stderr.split(' ')[0] ?? '';
  await database.sql(
    `INSERT INTO alerts (user_id, seq, type, data, created_at)
     SELECT 'user-' || n, 1, 'credits.granted', '{}', '2026-01-01' FROM generate_series(1, 20001) n`,
  );
  await database.sql(
    `INSERT INTO alert_deliveries (endpoint_id, position, user_id, state, next_attempt_at)
     SELECT $1, position, user_id, 'failed', NULL FROM alerts WHERE created_at = '2026-01-01'`,
    [id],
  );
  expect(await said('replay', id, '--failed')).toBe(`20001 alerts are due at ${id}.\n`);
  await webhooks('delete', id);
});

describe('a wrong use', () => {
  test.each<readonly [args: string, what: RegExp]>([
    ['create', /--url: it must be a URL such as/],
    ['create --url https://user:pass@app.example.com', /must hold no user name/],
    [
      'create --url https://app.example.com --event credits.gone',
      /--event is one of credits\.granted/,
    ],
    ['update we_x', /Say --url, --event or --all-events/],
    ['update we_x --event credits.low --all-events', /Say --event or --all-events/],
    ['list --all', /--all/],
    ['disable', /Name 1 endpoint/],
    ['rotate we_x --overlap 721', /--overlap is a whole number of hours from 0 to 720/],
    ['deliveries we_x --state lost', /--state is one of pending, delivered, failed/],
    ['deliveries we_x --limit 0', /--limit is a whole number/],
    ['replay we_x', /Name alerts, or say --failed or --since/],
    ['replay we_x --failed --since 1d', /Name alerts, or say/],
    ['replay we_x alert-1', /alert-1 is not the id of an alert/],
    ['replay we_x --since soon', /--since is an age/],
  ])('%s is explained, and exits with 2', async (args, what) => {
    const { code, stderr } = await webhooks(...args.split(' '));
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(what) });
  });

  test.each(['disable', 'enable', 'delete', 'rotate', 'deliveries', 'replay'])(
    '%s of no endpoint exits with 1',
    async (what) => {
      const more = what === 'replay' ? ['--failed'] : [];
      const { code, stderr } = await webhooks(what, 'we_nobody', ...more);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: 'purser: There is no endpoint we_nobody.\n',
      });
    },
  );

  test('a private URL is refused where private targets are', async () => {
    const env = { DATABASE_URL: database.url, WEBHOOK_PRIVATE_TARGETS: 'refuse' };
    for (const url of ['http://app.example.com', 'https://10.0.0.1/', 'https://[::1]/']) {
      const { code, stderr } = await runPurser(['webhooks', 'create', '--url', url], { env });
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/WEBHOOK_PRIVATE_TARGETS=allow permits it/),
      });
    }
  });
});
