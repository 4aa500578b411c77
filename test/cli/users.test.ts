import { expect, onTestFinished, test } from 'vitest';
import { createTestDatabase } from '../support/database.ts';
import { runPurser } from '../support/process.ts';

test('users revoke-sessions writes the moment down, for a user who can be one', async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const env = { DATABASE_URL: database.url };
  const { code, stdout } = await runPurser(['users', 'revoke-sessions', 'google:1'], { env });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^google:1: tokens from before \d{4}-.*Z are revoked\.\n$/);
  const rows = () =>
    database.sql("SELECT user_id, now() - valid_after < '1 minute' AS fresh FROM session_cutoffs");
  expect(await rows()).toEqual([{ user_id: 'google:1', fresh: true }]);

  for (const args of [[], [''], [' ada'], ['x'.repeat(256)], ['ada', 'bob']]) {
    const wrong = await runPurser(['users', 'revoke-sessions', ...args], { env });
    expect({ args, code: wrong.code, stdout: wrong.stdout }).toEqual({ args, code: 2, stdout: '' });
  }
  expect(await rows()).toHaveLength(1);

  const help = await runPurser(['users']);
  expect(help.stdout).toMatch(/^ {2}revoke-sessions {2}sign a user out/m);
}, 60_000);
