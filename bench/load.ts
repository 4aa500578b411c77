import { execFile, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import type { Request } from './scenarios.ts';

/** What a process of its own is to send. Every connection waits for each answer. */
export interface Load {
  readonly origin: string;
  readonly request: Request;
  readonly connections: number;
  readonly seconds: number;
  /** A file of session tokens, one a line, which take turns over all connections. */
  readonly tokensFile: string;
}

/** What the load generator saw. Latencies are in milliseconds. */
export interface LoadResult {
  readonly answers: number;
  /** Answers other than 2xx, and requests without one. */
  readonly failures: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

export interface LoadTool {
  /** Name and version. */
  readonly name: string;
  readonly run: (load: Load) => Promise<LoadResult>;
}

/** A program with its arguments of which the last line on stdout is a `LoadResult` as JSON. */
export type LoadCommand = (load: Load) => Promise<readonly [program: string, ...args: string[]]>;

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
