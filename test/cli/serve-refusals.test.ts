import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startFakeStripe } from '../../packages/fake-stripe/src/fake-stripe.ts';
import { createEmptyDatabase, createTestDatabase } from '../support/database.ts';
import { PRODUCTION } from '../support/environment.ts';
import { makeFolder, runPurser, servePurser, type Variables } from '../support/process.ts';

/** Expects the real program to refuse to boot, and returns what it says. */
async function refusal(env: Variables, { cwd }: { cwd?: string } = {}): Promise<string> {
  const folder = await makeFolder();
  const { code, stdout, stderr } = await runPurser(['serve', '--folder', folder], {
    env: { PORT: '0', ...env },
    ...(cwd !== undefined && { cwd }),
  });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  // Neither a Postgres nor a note of a running server; a developer's secrets may have been made.
  expect((await readdir(folder)).filter((name) => name !== 'secrets.json')).toEqual([]);
  return stderr;
}

describe('it refuses to boot, with a sentence and nothing started', () => {
  test('a catalogue file with mistakes, naming each with its price', async () => {
    const cwd = await makeFolder();
    const prices = '{"price_x": {"credits": "1e9", "trial": true}, "price_y": -5, "price_z": 5}';
    await writeFile(join(cwd, 'purser.catalogue.json'), `{"prices": ${prices}, "packs": []}`);
    const amount = 'credits must be a whole number from 0 to 1000000000000';
    expect(await refusal({ ...PRODUCTION }, { cwd })).toBe(
      [
        'purser: The configuration has 4 problems:',
        '  - PURSER_CATALOGUE_FILE (purser.catalogue.json) "packs" is not known here',
        `  - PURSER_CATALOGUE_FILE (purser.catalogue.json) price_x: ${amount}`,
        '  - PURSER_CATALOGUE_FILE (purser.catalogue.json) price_x: trial must be "none" or "grant"',
        `  - PURSER_CATALOGUE_FILE (purser.catalogue.json) price_y: ${amount}`,
        '',
      ].join('\n'),
    );
  });

  test('production with an empty environment, naming everything that is missing', async () => {
    expect(await refusal({ NODE_ENV: 'production' })).toBe(
      [
        'purser: The configuration has 6 problems:',
        '  - NEXTAUTH_URL is missing',
        '  - SESSION_SECRET_KEY is missing',
        '  - DATABASE_URL is missing',
        '  - NEXTAUTH_SECRET is missing',
        '  - STRIPE_SECRET_KEY is missing',
        '  - STRIPE_WEBHOOK_SECRET is missing',
        '',
      ].join('\n'),
    );
  });

  test.each(['staging', 'PRODUCTION', 'prod'])('NODE_ENV=%s', async (mode) => {
    const said = await refusal({ ...PRODUCTION, NODE_ENV: mode });
    expect(said).toContain('NODE_ENV must be one of production, development, test');
  });

  test('a malformed variable on a developer’s machine, where missing ones are made up', async () => {
    const said = await refusal({ NEXTAUTH_SECRET: 'hunter2', ALLOWED_ORIGINS: '["*"]' });
    expect(said).toContain('The configuration has 2 problems:\n');
    expect(said).toContain('  - NEXTAUTH_SECRET has 7 bytes');
    expect(said).toContain('  - ALLOWED_ORIGINS must hold origins');
    expect(said).not.toContain('hunter2');
  });

  test('a malformed variable in a .env file; the environment itself comes first', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'purser-dotenv-'));
    onTestFinished(() => rm(cwd, { recursive: true }));
    await writeFile(join(cwd, '.env'), 'RATE_LIMIT_PER_MINUTE=many\nLOG_LEVEL=loud\n');
    const said = await refusal({ LOG_LEVEL: 'info' }, { cwd });
    expect(said).toContain('The configuration has a problem:\n  - RATE_LIMIT_PER_MINUTE must be');
  });

  const open = { NODE_ENV: 'test', DISABLE_AUTH_FOR_TESTS: '1' };
  test.each<readonly [why: string, env: Variables, said: string]>([
    ['another value', { ...open, DISABLE_AUTH_FOR_TESTS: 'yes' }, 'may only be 1 or unset'],
    ['NODE_ENV=development', { ...open, NODE_ENV: 'development' }, 'needs NODE_ENV=test'],
    ['no NODE_ENV', { ...open, NODE_ENV: undefined }, 'needs NODE_ENV=test'],
    ['NODE_ENV=production', { ...PRODUCTION, DISABLE_AUTH_FOR_TESTS: '1' }, 'needs NODE_ENV=test'],
    ['every address', { ...open, HOST: '0.0.0.0' }, 'needs a loopback HOST'],
    [
      'a live key',
      { ...open, STRIPE_SECRET_KEY: 'sk_live_x' },
      'is refused beside a live Stripe key',
    ],
  ])('DISABLE_AUTH_FOR_TESTS with %s', async (_, env, said) => {
    expect(await refusal(env)).toContain(`DISABLE_AUTH_FOR_TESTS ${said}`);
  });

  test.each([
    ['mode', 'true', 'acct_sim_1', 'this database belongs to live mode'],
    ['account', 'false', 'acct_other', 'this database belongs to the Stripe account acct_other'],
  ])('a key of another %s than the database’s', async (_, livemode, account, said) => {
    const [database, stripe] = await Promise.all([createTestDatabase(), startFakeStripe()]);
    onTestFinished(async () => {
      await stripe.stop();
      await database.drop();
    });
    await database.sql('INSERT INTO stripe_account (livemode, account) VALUES ($1, $2)', [
      livemode,
      account,
    ]);
    const env = { DATABASE_URL: database.url, STRIPE_API_BASE: stripe.url };
    const keys = { STRIPE_SECRET_KEY: 'sk_test_1', STRIPE_WEBHOOK_SECRET: 'whsec_1' };
    expect(await refusal({ ...env, ...keys })).toContain(`STRIPE_SECRET_KEY: ${said}`);
  });

  test('a simulated Stripe, in production', async () => {
    const [database, stripe] = await Promise.all([createTestDatabase(), startFakeStripe()]);
    onTestFinished(async () => {
      await stripe.stop();
      await database.drop();
    });
    const env = { ...PRODUCTION, DATABASE_URL: database.url, STRIPE_API_BASE: stripe.url };
    expect(await refusal(env)).toContain('STRIPE_SECRET_KEY: it is for a simulated Stripe');
    const { code, stderr } = await runPurser(['reconcile', '--apply'], { env });
    expect([code, stderr]).toEqual([1, expect.stringContaining('it is for a simulated Stripe')]);
  });

  test('a database that is not there, without its password', async () => {
    const said = await refusal({
      ...PRODUCTION,
      DATABASE_URL: 'postgres://purser:hunter2@localhost:1/purser',
    });
    expect(said).toMatch(
      /^purser: There is no connection to the database: .*ECONNREFUSED.*\. Look at DATABASE_URL\.$/m,
    );
    expect(said).not.toContain('hunter2');
  });
});

test('a port that is taken is a clear sentence, and what was started is stopped again', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as AddressInfo;
  const { code, stderr } = await runPurser(['serve', '--folder', await makeFolder()], {
    env: { PORT: String(port) },
  });
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      `purser: The server cannot listen on 127.0.0.1, port ${port}: something listens there ` +
      'already. HOST and PORT choose another place.\n',
  });
});

test('DISABLE_AUTH_FOR_TESTS=1 in a test says so on stderr and in /healthz', async () => {
  const database = await createEmptyDatabase();
  onTestFinished(() => database.drop());
  const server = await servePurser(['--folder', await makeFolder()], {
    env: { NODE_ENV: 'test', DISABLE_AUTH_FOR_TESTS: '1', DATABASE_URL: database.url },
  });
  expect(server.stderr()).toContain('AUTHENTICATION IS OFF');
  const health = await fetch(`${server.url}/healthz`);
  expect(await health.json()).toMatchObject({ data: { auth_disabled: true } });
  const hello = await fetch(`${server.url}/api/v1/me/hello`);
  expect(await hello.json()).toEqual({ data: { user: 'test-user' } });
  await server.stop();
});
