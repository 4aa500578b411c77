import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, startNode } from '../support/process.ts';

test('npm run demo tells its story to the end: every step is as told', async () => {
  const { code, stdout, stderr } = await startNode([join(ROOT, 'demo/demo.ts')]).ended();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('33 answered 200, 17 answered 402');
  expect(stdout).toMatch(/\nEverything was as told\.\n\n$/);
});
