import { pino } from 'pino';
import { type Config, readConfig } from '../config/config.ts';
import type { Env } from '../config/variables.ts';
import { announce } from '../local/running.ts';
import { completeSecrets, type StandIns, startStandIns } from '../local/stand-ins.ts';
import { logOptions } from '../log.ts';
import { type Server, startServer } from '../main.ts';

/** A server on a developer's machine, with what stands in for the rest of the world. */
export interface LocalServer {
  readonly server: Server;
  readonly standIns: StandIns;
  /** Stops the server first, then what it stands on. */
  readonly stop: () => Promise<void>;
}

/** Starts a server with whatever the environment does not name made up and kept in `folder`. */
export async function startLocally(env: Env, folder: string): Promise<LocalServer> {
  // Whatever is wrong with the variables that are set is told before anything is started.
  const secrets = await completeSecrets(env, folder);
  readConfig({ DATABASE_URL: 'postgres://stand-in/purser', ...secrets });
  const standIns = await startStandIns(env, folder);
  const steps = [standIns.stop];
  const stop = async () => {
    for (const step of steps.splice(0).reverse()) await step();
  };
  try {
    const config = readConfig(standIns.env);
    const server = await startServer(config, await createLocalLog(config));
    steps.push(server.close);
    const { STRIPE_WEBHOOK_SECRET: secret } = secrets;
    standIns.fakeStripe?.deliverTo([{ url: `${server.url}/webhooks/stripe`, secret }]);
    const running = { url: server.url, fakeStripe: standIns.fakeStripe?.url ?? null };
    steps.push(await announce(folder, { ...running, databaseUrl: config.databaseUrl }));
    return { server, standIns, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Lines for people instead of JSON, where the development dependency for it is installed. */
async function createLocalLog({ logLevel: level }: Config) {
  const pretty = await import('pino-pretty').catch(() => null);
  if (!pretty) return pino(logOptions(level));
  const look = { ignore: 'pid,hostname', translateTime: 'HH:MM:ss', singleLine: true };
  return pino(logOptions(level), pretty.default(look));
}
