import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { explain } from '../../src/cli/command.ts';
import { createLedger } from '../../src/ledger/ledger.ts';
import { judgeWith } from '../auth/harness.ts';
import { debit, grant } from '../support/commands.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.ts';
import { PRODUCTION, SECRETS } from '../support/environment.ts';
import { makeFolder, ROOT, runPurser, servePurser } from '../support/process.ts';

describe('a wrong use is exit code 2, and names the help', () => {
  test.each<readonly [string[], RegExp]>([
    [['balance'], /there is no command "balance".*Usage: purser <command>/s],
    [['toString'], /there is no command "toString"/],
    [['verify', '--fast'], /Unknown option '--fast'.*See `purser verify --help`\.\n$/s],
    [['verify', 'everything'], /everything.*See `purser verify --help`\.\n$/s],
    [['migrate', '--folder'], /See `purser migrate --help`\.\n$/],
    [['simulate'], /Say what to do: purchase.*See `purser simulate --help`\.\n$/s],
    [['simulate', 'miracle'], /Say what to do: purchase/],
  ])('%j', async (args, said) => {
    const { code, stdout, stderr } = await runPurser(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(said);
  });

  test('but to ask for help is none', async () => {
    for (const args of [[], ['--help'], ['serve', '--help'], ['simulate', '--help']]) {
      const { code, stdout, stderr } = await runPurser(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^Usage: purser/);
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    }
  });
});

test('a host that refuses at all of its addresses is told in words', async () => {
  const said = vi.spyOn(console, 'error').mockReturnValue();
  onTestFinished(() => said.mockRestore());
  const refused = ['::1', '127.0.0.1'].map((host) => new Error(`connect ECONNREFUSED ${host}`));
  const command = { summary: '', help: '', options: [] };
  const run = () => Promise.reject(new AggregateError(refused));
  expect(await explain({ ...command, run }, [])).toBe(1);
  expect(said).toHaveBeenCalledWith(
    'purser: connect ECONNREFUSED ::1; connect ECONNREFUSED 127.0.0.1',
  );
});

test('openapi prints the committed openapi.json, byte for byte, and needs nothing', async () => {
  const { code, stdout } = await runPurser(['openapi']);
  expect(code).toBe(0);
  expect(stdout).toBe(await readFile(join(ROOT, 'openapi.json'), 'utf8'));
});

describe('migrate', () => {
  test('says what it did, and at the second time that there is nothing to do', async () => {
    const database = await createEmptyDatabase();
    onTestFinished(() => database.drop());
    // As a deployment has it before the other variables are filled in.
    const env = { NODE_ENV: 'production', DATABASE_URL: database.url };
    const first = await runPurser(['migrate'], { env });
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^Applied migration 0001_ledger\.sql\.\n/);
    const second = await runPurser(['migrate'], { env });
    expect(second).toMatchObject({ code: 0, stdout: 'The database is up to date.\n' });
  });

  test('leaves an older deployment’s tables alone and names the way', async () => {
    const database = await createEmptyDatabase();
    onTestFinished(() => database.drop());
    await database.sql('CREATE TABLE credit_ledger (id serial, user_id text, delta int)');
    const { code, stderr } = await runPurser(['migrate'], { env: { DATABASE_URL: database.url } });
    expect(code).toBe(1);
    expect(stderr).toContain('purser adopt');
  });

  test('needs DATABASE_URL in production, and a running server without it elsewhere', async () => {
    const production = await runPurser(['migrate'], { env: { NODE_ENV: 'production' } });
    expect(production).toMatchObject({ code: 1, stdout: '' });
    expect(production.stderr).toContain('DATABASE_URL is missing');
    const local = await runPurser(['migrate', '--folder', await makeFolder()]);
    expect(local).toMatchObject({ code: 1, stdout: '' });
    expect(local.stderr).toBe(
      'purser: No server runs here. Start one with `npm start` and leave it running.\n',
    );
  });
});

test.each([
  ['verify'],
  ['events', 'list'],
  ['keys', 'list'],
  ['prices', 'list'],
  ['reconcile', '--accepted'],
  ['top-ups', 'list'],
  ['webhooks', 'list'],
])('%s %s on a database that was never migrated says so', async (...args) => {
  const database = await createEmptyDatabase();
  onTestFinished(() => database.drop());
  const { code, stderr } = await runPurser(args, { env: { DATABASE_URL: database.url } });
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^purser: The database is not of this version; run `purser migrate` on it/,
  );
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test('a NODE_ENV that there is not is named by every command, as by the server', async () => {
  const { code, stderr } = await runPurser(['prices', 'list'], { env: { NODE_ENV: 'staging' } });
  expect(code).toBe(1);
  expect(stderr).toMatch(/NODE_ENV must be one of production, development, test/);
});

describe('verify', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    const ledger = createLedger({ url: database.url, pool: database.pool });
    for (const user of ['ann', 'bob']) {
      await ledger.post(grant(user, 100));
      await ledger.post(debit(user, 30));
    }
    await ledger.close();
  });
  afterAll(() => database.drop());

  const verify = (...more: string[]) =>
    runPurser(['verify', ...more], { env: { DATABASE_URL: database.url } });

  test('a sound ledger is exit code 0, with a root that can be checked later', async () => {
    const { code, stdout } = await verify();
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^2 accounts, 4 entries: sound\nThe root stands for the 0 .+\nroot purser-root-1\/\S+\n$/,
      ),
    });
    const root = stdout.trim().split(' ').at(-1) ?? '';
    const again = await verify('--against', root);
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('The ledger still holds what the root stood for.');
  });

  test('a changed entry is exit code 1, and the account is named', async () => {
    await database.sql('ALTER TABLE credit_ledger DISABLE TRIGGER credit_ledger_append_only');
    await database.sql("UPDATE credit_ledger SET delta = -3 WHERE user_id = 'bob' AND seq = 2");
    const { code, stdout } = await verify();
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAULT {2}account "bob", entry 2: /);
    expect(stdout).toContain('2 accounts, 4 entries: NOT SOUND');
    expect(stdout).not.toContain('"ann"');
  });
});

describe('token', () => {
  const userOf = (printed: string, secret: string) =>
    judgeWith({ secrets: [secret] }, printed.trim());

  test('signs a user in, with the secret of the folder or of the environment', async () => {
    const folder = await makeFolder();
    const own = await runPurser(['token', '--folder', folder, '--user', 'ann']);
    const { NEXTAUTH_SECRET } = JSON.parse(await readFile(join(folder, 'secrets.json'), 'utf8'));
    expect(await userOf(own.stdout, NEXTAUTH_SECRET)).toMatchObject({ userId: 'ann' });
    const given = await runPurser(['token', '--folder', folder], { env: SECRETS });
    expect(await userOf(given.stdout, SECRETS.NEXTAUTH_SECRET)).toMatchObject({ userId: 'demo' });
  });

  test.each(['production', 'staging'])('is refused with NODE_ENV=%s', async (mode) => {
    const env = { ...PRODUCTION, NODE_ENV: mode };
    const { code, stdout, stderr } = await runPurser(['token'], { env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('developer’s machine only');
  });
});

describe('simulate purchase', () => {
  test('grants what the price gives, to the user, for the quantity; refuses nonsense', async () => {
    const folder = await makeFolder();
    const database = await createEmptyDatabase();
    onTestFinished(() => database.drop());
    const server = await servePurser(['--folder', folder], { env: { DATABASE_URL: database.url } });
    const simulate = (...more: string[]) =>
      runPurser(['simulate', 'purchase', '--folder', folder, ...more]);

    const options = ['--user', 'ann', '--price', 'price_pro', '--quantity', '2'];
    const bought = await simulate(...options);
    expect(bought).toMatchObject({ code: 0, stderr: '' });
    expect(bought.stdout).toMatch(/^Simulated: ann paid for 2 × price_pro \(event evt_\w+\)\.\n/);
    expect(bought.stdout).toContain('Purser answered 200: the event is done.');
    const balances = () => database.sql('SELECT user_id, balance FROM v_credit_balance');
    expect(await balances()).toEqual([{ user_id: 'ann', balance: 4000 }]);

    for (const quantity of ['0', '-1', '1.5', 'x', '']) {
      const refused = await simulate(`--quantity=${quantity}`);
      expect({ quantity, code: refused.code }).toEqual({ quantity, code: 1 });
      expect(refused.stderr).toContain('quantity is a whole number from 1 on');
    }
    expect(await balances()).toEqual([{ user_id: 'ann', balance: 4000 }]);
    await server.stop();
  });

  test('is followed by a renewal, a refund and a dispute, of the user’s newest payment', async () => {
    const folder = await makeFolder();
    const database = await createEmptyDatabase();
    onTestFinished(() => database.drop());
    const server = await servePurser(['--folder', folder], { env: { DATABASE_URL: database.url } });
    const simulate = (...words: string[]) =>
      runPurser(['simulate', ...words, '--user', 'bob', '--folder', folder]);
    const balance = async () => {
      const [row] = await database.sql('SELECT balance FROM v_credit_balance');
      return row?.['balance'];
    };

    expect((await simulate('refund')).stderr).toContain('bob has no payment that is still whole');
    expect((await simulate('renewal')).stderr).toContain('bob has no subscription');
    for (const [words, after] of [
      [['purchase', '--price', 'price_monthly'], 1000],
      [['renewal'], 2000],
      [['refund'], 1000],
      [['dispute'], 0],
    ] as const) {
      const played = await simulate(...words);
      expect(played, words.join(' ')).toMatchObject({ code: 0, stderr: '' });
      expect(played.stdout).toContain('the event is done');
      expect(await balance(), words.join(' ')).toBe(after);
    }
    await server.stop();
    // It starts eight processes, one after another.
  }, 90_000);

  test('is refused in production, without a server, and beside a real Stripe key', async () => {
    const production = await runPurser(['simulate', 'purchase'], { env: PRODUCTION });
    expect(production.code).toBe(1);
    expect(production.stderr).toContain('impossible in production');

    const folder = await makeFolder();
    const alone = await runPurser(['simulate', 'purchase', '--folder', folder]);
    expect(alone.code).toBe(1);
    expect(alone.stderr).toContain('No server runs here');

    const database = await createEmptyDatabase();
    onTestFinished(() => database.drop());
    // Nothing listens on port 1: the server boots without Stripe's answer.
    const env = { ...SECRETS, DATABASE_URL: database.url, STRIPE_API_BASE: 'http://127.0.0.1:1' };
    const server = await servePurser(['--folder', folder], { env });
    const real = await runPurser(['simulate', 'purchase', '--folder', folder]);
    expect(real.code).toBe(1);
    expect(real.stderr).toContain('stripe trigger');
    await server.stop();
  });
});
