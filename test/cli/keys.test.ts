import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { makeServiceKey } from '../../src/auth/service-key.ts';
import { SCOPES } from '../../src/identity.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.ts';
import { makeFolder, runPurser, servePurser } from '../support/process.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const keys = (...args: string[]) =>
  runPurser(['keys', ...args], { env: { DATABASE_URL: database.url } });
const list = async () => JSON.parse((await keys('list', '--json')).stdout);

test('create prints the key alone on stdout; list and revoke know it by how it begins', async () => {
  expect((await keys('list')).stdout).toBe('There is no service key.\n');
  const scopes = ['--scope', 'credits:spend', '--scope', 'credits:read'];
  const made = await keys('create', '--name', 'backend', ...scopes);
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^purser_sk_[\w-]{43}\n$/) });
  const key = made.stdout.trim();
  const prefix = key.slice(0, 18);
  expect(made.stderr).toBe(`${prefix}… may credits:read, credits:spend. Shown only now:\n`);

  const shown = await keys('list');
  expect(shown.stdout).toMatch(new RegExp(`${prefix}… +backend +credits:read,credits:spend +live`));
  expect(shown.stdout).not.toContain(key);
  expect(await list()).toEqual([
    {
      prefix,
      name: 'backend',
      scopes: ['credits:read', 'credits:spend'],
      created_at: expect.stringMatching(/Z$/),
      expires_at: null,
      revoked_at: null,
      last_used_at: null,
    },
  ]);

  const ended = await keys('revoke', prefix);
  expect(ended).toMatchObject({ code: 0, stdout: `${prefix}… (backend) is revoked.\n` });
  const [{ revoked_at: revokedAt }] = await list();
  expect(revokedAt).toMatch(/Z$/);
  // Whoever finds a key where it should not be has the whole of it.
  const again = await keys('revoke', key);
  expect(again).toMatchObject({ code: 0, stdout: `${prefix}… (backend) was revoked before.\n` });
  expect((await list())[0].revoked_at).toBe(revokedAt);
});

test('--json and --expires', async () => {
  const args = ['--name', 'nightly', '--scope', 'admin', '--expires', '2100-01-01', '--json'];
  const { code, stdout, stderr } = await keys('create', ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    key: expect.stringMatching(/^purser_sk_[\w-]{43}$/),
    prefix: expect.stringMatching(/^purser_sk_[\w-]{8}$/),
    name: 'nightly',
    scopes: ['admin'],
    expires_at: '2100-01-01T00:00:00.000Z',
  });
  const [newest] = await list();
  expect(newest.expires_at).toBe('2100-01-01T00:00:00.000Z');
});

test('the help of create names every scope that there is', async () => {
  const { stdout } = await keys('create', '--help');
  for (const scope of SCOPES) expect(stdout).toContain(scope);
});

describe('a wrong use makes no key', () => {
  const fine = ['create', '--name', 'n', '--scope', 'admin'];
  test.each<readonly [string[], number, RegExp]>([
    [['create', '--scope', 'admin'], 2, /--name is a text of up to 100/],
    [['create', '--name', 'n'.repeat(101), '--scope', 'admin'], 2, /--name is a text/],
    [['create', '--name', 'n'], 2, /--scope is one of credits:read, .*admin/],
    [[...fine, '--scope', 'credits:mint'], 2, /--scope is one of/],
    [[...fine, '--expires', 'tomorrow'], 2, /--expires is a time to come/],
    [[...fine, '--expires', '2020-01-01'], 2, /--expires is a time to come/],
    [['revoke', 'backend'], 2, /Name a key by how it begins/],
    [['revoke'], 2, /Name 1 key/],
    [['revoke', 'purser_sk_AAAAAAAA'], 1, /There is no key purser_sk_AAAAAAAA/],
  ])('%j', async (args, expected, said) => {
    const before = await list();
    const { code, stdout, stderr } = await keys(...args);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr).toMatch(said);
    expect(await list()).toEqual(before);
  });
});

test('PURSER_ADMIN_KEY is the first key of one of two servers, later ignored, and never said', async () => {
  const empty = await createEmptyDatabase();
  onTestFinished(() => empty.drop());
  const env = { DATABASE_URL: empty.url };
  const given = [makeServiceKey(), makeServiceKey()];
  const serve = async (key: string) =>
    servePurser(['--folder', await makeFolder()], { env: { ...env, PURSER_ADMIN_KEY: key } });
  const servers = await Promise.all(given.map(serve));
  const letIn = (url: string, key: string) =>
    fetch(`${url}/api/v1/me/hello`, { headers: { authorization: `Bearer ${key}` } });
  const statuses = await Promise.all(
    servers.flatMap(({ url }) => given.map(async (key) => (await letIn(url, key)).status)),
  );
  // The same one of the two on both servers.
  expect([
    [403, 401, 403, 401],
    [401, 403, 401, 403],
  ]).toContainEqual(statuses);

  const taken = given[statuses.indexOf(403)] ?? '';
  await runPurser(['keys', 'revoke', taken], { env });
  const later = await serve(taken);
  expect((await letIn(later.url, taken)).status).toBe(401);
  for (const server of [...servers, later]) {
    expect(server.stdout()).toContain('PURSER_ADMIN_KEY');
    for (const key of given) expect(server.stdout() + server.stderr()).not.toContain(key.slice(18));
    await server.stop();
  }
}, 90_000);
