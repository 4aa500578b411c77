import { pino } from 'pino';
import { signV4Token } from '../auth/sign-token.ts';
import { isLocal, readConfig } from '../config/config.ts';
import { type Env, readEnvironment } from '../config/variables.ts';
import type { LocalPostgres } from '../local/postgres.ts';
import { logOptions } from '../log.ts';
import { startServer } from '../main.ts';
import { banner } from './banner.ts';
import type { Command } from './command.ts';
import { folderOf } from './folder.ts';
import { type LocalServer, startLocally } from './start-locally.ts';
import { stopRequested } from './stop-requested.ts';

const TOKEN_LIFETIME = 3_600;
const DEMO_USER = 'demo';
const WITHOUT_AUTH =
  '\n  AUTHENTICATION IS OFF (DISABLE_AUTH_FOR_TESTS=1): every request is "test-user".\n';

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
    const stop = stopRequested();
    if (isLocal(env)) await serveLocally(env, folderOf(options), stop);
    else await serveInProduction(env, stop);
    return 0;
  },
};

async function serveInProduction(env: Env, stop: Promise<void>): Promise<void> {
  const config = readConfig(env);
  const server = await startServer(config, pino(logOptions(config.logLevel)));
  await stop;
  await server.close();
}

async function serveLocally(env: Env, folder: string, stop: Promise<void>): Promise<void> {
  const local = await startLocally(env, folder);
  if (env['DISABLE_AUTH_FOR_TESTS'] !== undefined) console.error(WITHOUT_AUTH);
  console.log(await greet(local, folder));
  local.standIns.postgres?.watch().then(sayThatItEnded(local.standIns.postgres));
  await stop;
  await local.stop();
}

function sayThatItEnded({ pid, log }: LocalPostgres) {
  return (how: 'ended' | 'stopped') => {
    if (how === 'stopped') return;
    console.error(
      `purser: the local Postgres (process ${pid}) has ended; until it runs again every request ` +
        `gets 503. Stop with Ctrl-C, then npm start: what you did is kept. Its log: ${log}`,
    );
  };
}

async function greet({ server, standIns }: LocalServer, folder: string): Promise<string> {
  const token = await signV4Token({
    userId: DEMO_USER,
    name: 'Demo',
    secret: standIns.env['NEXTAUTH_SECRET'] ?? '',
    lifetimeSeconds: TOKEN_LIFETIME,
    now: Date.now(),
  });
  return banner({ url: server.url, standIns, folder, userId: DEMO_USER, token });
}
