import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFailed, onTestFinished } from 'vitest';
import { isAlive } from '../../src/local/postmaster.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PURSER = join(ROOT, 'src/cli/purser.ts');

/** How long a program may take to say what is awaited, or to end, in milliseconds. */
const PATIENCE = 40_000;

export type Variables = Readonly<Record<string, string | undefined>>;

export interface ProgramOptions {
  /** Its whole environment, but for PATH: nothing of the tests' own leaks into it. */
  readonly env?: Variables;
  readonly cwd?: string;
  /** Another Node than this one. */
  readonly node?: string;
  /** The user that it runs as; needs root. */
  readonly uid?: number;
}

/** How a program ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From the start, or from the signal that `stop` sent; in milliseconds. */
  readonly took: number;
}

/** A running program. */
export interface Program {
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits until stdout matches; fails with what was said when the program ends before. */
  readonly said: (pattern: RegExp) => Promise<RegExpExecArray>;
  readonly ended: () => Promise<Ended>;
  /** Sends a signal, SIGTERM if no other is given, and waits for the end. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<Ended>;
}

/** Starts `node …`; the end of the test ends it too, and tells what it said when the test failed. */
export function startNode(args: readonly string[], options: ProgramOptions = {}): Program {
  const { env = {}, cwd = tmpdir(), node = process.execPath, uid } = options;
  // As npm does for its scripts, so that a shell below finds the same Node.
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  const child = spawn(node, args, {
    cwd,
    env: { PATH: path, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      output[stream] += text;
    });
  }
  const closed = once(child, 'close');
  onTestFailed(() => {
    const how = child.exitCode ?? child.signalCode ?? 'not at all';
    console.error(`${args.join(' ')}\nended: ${how}\n${output.stdout}\n${output.stderr}`);
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  return followProgram(child, output, closed);
}

function followProgram(
  child: ChildProcess,
  output: { stdout: string; stderr: string },
  closed: Promise<unknown>,
): Program {
  const started = performance.now();
  const tell = () => `${child.spawnargs.join(' ')}\n${output.stdout}\n${output.stderr}`;

  async function ended(since = started): Promise<Ended> {
    const patience = new AbortController();
    const tooLong = delay(PATIENCE, 'too long', { signal: patience.signal }).catch(() => null);
    if ((await Promise.race([closed, tooLong])) === 'too long') {
      throw new Error(`still runs: ${tell()}`);
    }
    patience.abort();
    return { code: child.exitCode, ...output, took: performance.now() - since };
  }

  return {
    pid: child.pid ?? 0,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    ended: () => ended(),
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return ended(performance.now());
    },
    async said(pattern) {
      for (const deadline = Date.now() + PATIENCE; ; await delay(10)) {
        const found = pattern.exec(output.stdout);
        if (found) return found;
        const over = child.exitCode !== null || child.signalCode !== null;
        if (over || Date.now() > deadline) throw new Error(`${pattern} was not said: ${tell()}`);
      }
    },
  };
}

export function startPurser(args: readonly string[], options?: ProgramOptions): Program {
  return startNode([PURSER, ...args], options);
}

/** Runs a command of the CLI to its end. */
export function runPurser(args: readonly string[], options?: ProgramOptions): Promise<Ended> {
  return startPurser(args, options).ended();
}

/** A `purser serve` that listens. */
export interface Served extends Program {
  readonly url: string;
}

/** Starts `purser serve` on a free port and waits until it listens. */
export async function servePurser(
  args: readonly string[] = [],
  options: ProgramOptions = {},
): Promise<Served> {
  const env = { PORT: '0', HOST: '127.0.0.1', RATE_LIMIT_PER_MINUTE: '0', ...options.env };
  const program = startPurser(['serve', ...args], { ...options, env });
  return { ...program, url: await urlOf(program, env) };
}

/** Where a server listens: the end of the banner says it, or in production the log. */
export async function urlOf(program: Program, env: Variables): Promise<string> {
  const production = env['NODE_ENV'] === 'production';
  const said = production
    ? /listening at (http:[\w.:/]+)/
    : /serves at (http:\S+).*"reason": "render"/s;
  return (await program.said(said))[1] ?? '';
}

/** A folder for `--folder`, which the end of the test removes with the Postgres that runs there. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purser-cli-'));
  // Started by root, Postgres runs as another user, who must reach it.
  await chmod(folder, 0o711);
  onTestFinished(async () => {
    const postmaster = await postmasterIn(folder);
    if (postmaster !== null && isAlive(postmaster)) process.kill(postmaster, 'SIGQUIT');
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
  return folder;
}

/** The process id of the Postgres whose data lie in a folder; null when none was started. */
export async function postmasterIn(folder: string): Promise<number | null> {
  const file = join(folder, 'postgres/cluster/data/postmaster.pid');
  const pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10);
  return pid > 0 ? pid : null;
}
