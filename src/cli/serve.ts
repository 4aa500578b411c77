import { pino } from 'pino';
import { signV4Token } from '../auth/sign-token.ts';
import { isLocal, readConfig } from '../config/config.ts';
import { type Env, readEnvironment } from '../config/variables.ts';
import type { StandIns } from '../local/stand-ins.ts';
import { type Server, startServer } from '../main.ts';
import { banner } from './banner.ts';
import type { Command } from './command.ts';
import { folderOf } from './folder.ts';
import { startLocally } from './start-locally.ts';

/** How long a shutdown may take, in milliseconds; platforms kill what takes longer. */
const SHUTDOWN_TIMEOUT = 9_500;
const TOKEN_LIFETIME = 3_600;
const DEMO_USER = 'demo';

export const serveCommand: Command = {
  summary: 'migrate, then serve; without NODE_ENV=production whatever is missing is made up',
  help: [
    'Usage: purser serve [--folder <path>]',
    '',
    'Serves the API. In development a database, secrets and Stripe that are not configured are',
    'made up and kept in --folder (default .purser). With NODE_ENV=production nothing is made up:',
    'every missing or malformed variable is named, and the server does not start.',
  ].join('\n'),
  options: ['folder'],
  async run({ options }) {
    const env = readEnvironment();
    return isLocal(env) ? serveLocally(env, folderOf(options)) : serveInProduction(env);
  },
};

async function serveInProduction(env: Env): Promise<number> {
  const config = readConfig(env);
  const server = await startServer(config, pino({ level: config.logLevel }));
  return untilStopped(() => server.close());
}

async function serveLocally(env: Env, folder: string): Promise<number> {
  const { server, standIns, stop } = await startLocally(env, folder);
  console.log(await greet(server, standIns));
  return untilStopped(stop);
}

async function greet(server: Server, standIns: StandIns): Promise<string> {
  const token = await signV4Token({
    userId: DEMO_USER,
    name: 'Demo',
    secret: standIns.env['NEXTAUTH_SECRET'] ?? '',
    lifetimeSeconds: TOKEN_LIFETIME,
    now: Date.now(),
  });
  return banner({ url: server.url, standIns, userId: DEMO_USER, token });
}

/** Waits for SIGTERM or Ctrl-C, then closes; returns 0 when that went well in time. */
function untilStopped(close: () => Promise<void>): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const stop = () => {
    process.off('SIGTERM', stop).off('SIGINT', stop);
    setTimeout(() => {
      console.error('purser: the shutdown took too long and was cut off');
      process.exit(1);
    }, SHUTDOWN_TIMEOUT).unref();
    close().then(() => resolve(0), reject);
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  return promise;
}
