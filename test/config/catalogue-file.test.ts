import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { PRODUCTION } from '../support/environment.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'purser-catalogue-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(text: string) {
  const file = join(folder, 'prices.json');
  await writeFile(file, text);
  return readConfig({ ...PRODUCTION, PURSER_CATALOGUE_FILE: file }).stripe.prices;
}

test('the file that is named is read, beside the environment’s prices', async () => {
  const { env, file } = await read('{"prices": {"price_x": {"credits": 5, "free": "grant"}}}');
  expect(env.size).toBe(0);
  expect([...file]).toEqual([['price_x', expect.objectContaining({ credits: 5, free: 'grant' })]]);
});

test.each([
  ['', 'PURSER_CATALOGUE_FILE is not JSON'],
  ['[]', 'PURSER_CATALOGUE_FILE is not an object such as {"prices": {"price_x": 100}}'],
  ['{}', 'PURSER_CATALOGUE_FILE is not an object such as {"prices": {"price_x": 100}}'],
  ['{"prices": {"a": 1.5}}', 'PURSER_CATALOGUE_FILE a: credits must be a whole number'],
  [' '.repeat(1024 * 1024 + 1), 'PURSER_CATALOGUE_FILE names a file that is larger than'],
])('a file that holds %.30j is refused', async (text, problem) => {
  await expect(read(text)).rejects.toThrow(problem);
});

test('a file that is named must be there, and be a file', () => {
  const named = (path: string) => () =>
    readConfig({ ...PRODUCTION, PURSER_CATALOGUE_FILE: join(folder, path) });
  expect(named('none.json')).toThrow('PURSER_CATALOGUE_FILE names a file that is not there');
  expect(named('.')).toThrow('PURSER_CATALOGUE_FILE names a file that cannot be read');
});
