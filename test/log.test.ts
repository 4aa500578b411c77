import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createPool } from '../src/db/pool.ts';
import { isUnavailable } from '../src/db/sqlstate.ts';
import { withPlainErrors } from '../src/log.ts';

test('a database that is away is told in words, a bug with its stack', async () => {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const log = withPlainErrors(pino({}, { write }), isUnavailable);
  const pool = createPool({ url: 'postgres://127.0.0.1:1/purser', size: 1, onError: () => {} });
  await pool.query('SELECT 1').catch((err) => log.warn({ err }));
  log.warn({ err: new TypeError('a bug') });
  await pool.end();
  const [away, bug] = lines.map((line) => JSON.parse(line).err);
  expect(away).toEqual({
    type: 'Error',
    message: 'connect ECONNREFUSED 127.0.0.1:1',
    code: 'ECONNREFUSED',
  });
  expect(bug).toMatchObject({ message: 'a bug', stack: expect.stringContaining('log.test.ts') });
});
