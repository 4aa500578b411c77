/**
 * `npm run bench:streams`, or with `-- 100` so many: opens 5,000 idle streams of balances, each of
 * another user, in one server, and prints the memory of its process. Each is an open file in both
 * processes, so `ulimit -n` must be well above.
 */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { signV4Token } from '../src/auth/sign-token.ts';
import { startLocalPostgres } from '../src/local/postgres.ts';
import { describeMachine } from './machine.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PURSER = join(ROOT, 'src/cli/purser.ts');
const STREAMS = Number(process.argv[2] ?? 5_000);
/** How many are opened at once. */
const AT_ONCE = 100;
/** How long memory and processor are watched, in seconds: each stream is checked twelve times. */
const IDLE = 60;
const PATH = '/api/v1/me/credits/stream';

const secret = randomBytes(32).toString('base64url');
await mkdir(join(ROOT, '.purser'), { recursive: true });
const folder = await mkdtemp(join(ROOT, '.purser', 'bench-'));
const postgres = await startLocalPostgres({ folder });
try {
  console.log(describeMachine(postgres.folder).join('\n'));
  await measure(postgres.url);
} finally {
  await postgres.stop();
  await rm(postgres.folder, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}

async function measure(databaseUrl: string): Promise<void> {
  const server = startServer(databaseUrl);
  try {
    const url = await addressOf(server);
    const before = await usage(server.pid);
    const streams: IncomingMessage[] = [];
    while (streams.length < STREAMS) {
      const next = Array.from({ length: Math.min(AT_ONCE, STREAMS - streams.length) }, (_, i) =>
        open(url, `user-${streams.length + i}`),
      );
      streams.push(...(await Promise.all(next)));
    }
    const opened = await usage(server.pid);
    let most = opened.mib;
    for (let second = 0; second < IDLE; second += 1) {
      await delay(1_000);
      most = Math.max(most, (await usage(server.pid)).mib);
    }
    const { seconds } = await usage(server.pid);
    const percent = ((seconds - opened.seconds) / IDLE) * 100;
    console.log(`${before.mib} MiB before, ${opened.mib} MiB with ${STREAMS} streams just opened`);
    console.log(
      `${most} MiB at most in ${IDLE} s of idling, ${percent.toFixed(0)} % of a processor`,
    );
    if (streams.some(({ destroyed }) => destroyed)) throw new Error('a stream has ended');
  } finally {
    const ended = once(server, 'exit');
    server.kill();
    await ended;
  }
}

/** The program as it is deployed, with room for the streams. */
function startServer(databaseUrl: string) {
  return spawn(process.execPath, [PURSER, 'serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      NODE_ENV: 'production',
      PORT: '0',
      HOST: '127.0.0.1',
      LOG_LEVEL: 'info',
      DATABASE_URL: databaseUrl,
      STREAM_LIMIT: String(STREAMS),
      SESSION_SECRET_KEY: secret,
      NEXTAUTH_SECRET: secret,
      NEXTAUTH_URL: 'https://app.example.com',
      // Stripe is away, which stops no boot.
      STRIPE_API_BASE: 'http://127.0.0.1:1',
      STRIPE_SECRET_KEY: `sk_test_${secret}`,
      STRIPE_WEBHOOK_SECRET: `whsec_${secret}`,
    },
  });
}

/** Where it listens, by its log, which is read on: a full pipe would stop the server. */
function addressOf(server: ReturnType<typeof startServer>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let said = '';
  server.stdout.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-10_000);
    const found = /listening at (http:[\w.:/]+\d)/.exec(said);
    if (found?.[1]) resolve(found[1]);
  });
  server.once('exit', () => reject(new Error(`the server has ended: ${said}`)));
  return promise;
}

/** Opens a stream and waits for its first event. */
async function open(url: string, userId: string): Promise<IncomingMessage> {
  const token = await signV4Token({ userId, secret, lifetimeSeconds: 3_600, now: Date.now() });
  const asked = get(url + PATH, { agent: false, headers: { authorization: `Bearer ${token}` } });
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`${userId}: ${response.statusCode}`);
  await once(response, 'data');
  return response.resume();
}

interface Usage {
  /** Of memory that the process has in use (RSS). */
  readonly mib: number;
  /** Of processor time since its start. */
  readonly seconds: number;
}

async function usage(pid: number | undefined): Promise<Usage> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=,time=', '-p', String(pid)]);
  const [rss = '', time = ''] = stdout.trim().split(/\s+/);
  const seconds = time.split(/[:-]/).reduce((sum, part) => sum * 60 + Number(part), 0);
  return { mib: Math.round(Number(rss) / 1024), seconds };
}
