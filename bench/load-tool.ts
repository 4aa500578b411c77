import { execFile, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import type { Load, LoadCommand, LoadResult, LoadTool } from './load.ts';

/** wrk when it is installed, since it leaves more of the machine to the server; else autocannon. */
export async function findLoadTool(folder: string): Promise<LoadTool> {
  const found = spawnSync('wrk', ['--version'], { encoding: 'utf8' });
  if (!found.error) {
    const { wrkCommand } = await import('./load-wrk.ts');
    const [, version = ''] = found.stdout.split(' ');
    return { name: `wrk ${version}`, run: runner(wrkCommand(folder)) };
  }
  const { autocannonCommand } = await import('./load-autocannon.ts');
  const { version } = createRequire(import.meta.url)('autocannon/package.json');
  return { name: `autocannon ${version}`, run: runner(autocannonCommand) };
}

const runner = (command: LoadCommand) => async (load: Load) => {
  const [program, ...args] = await command(load);
  const timeout = (load.seconds + 30) * 1000;
  const { stdout } = await promisify(execFile)(program, args, { timeout });
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as LoadResult;
};
