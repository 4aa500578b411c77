import { pino } from 'pino';
import { readConfig } from '../config/config.ts';
import { assemble } from '../main.ts';
import type { Command } from './command.ts';

export const openapiCommand: Command = {
  summary: 'print the OpenAPI document of the API',
  help: 'Usage: purser openapi\n\nPrints what openapi.json holds; needs no database.',
  options: [],
  async run() {
    console.log(await describe());
    return 0;
  },
};

/** The document that the routes' schemas add up to. The parts are assembled and never started. */
async function describe(): Promise<string> {
  const secret = 'never used: nothing is started, nothing is signed 0123456789';
  const config = readConfig({
    DATABASE_URL: 'postgres://nowhere/purser',
    SESSION_SECRET_KEY: secret,
    NEXTAUTH_SECRET: secret,
    NEXTAUTH_URL: 'http://localhost:3000',
    STRIPE_SECRET_KEY: 'sk_test_unused',
    STRIPE_WEBHOOK_SECRET: 'whsec_unused',
  });
  const { app } = await assemble(config, pino({ level: 'silent' }));
  await app.ready();
  return JSON.stringify(app.swagger(), null, 2);
}
