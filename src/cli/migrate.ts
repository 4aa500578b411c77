import { migrate } from '../db/migrate.ts';
import { MIGRATIONS } from '../main.ts';
import type { Command } from './command.ts';
import { databaseUrl } from './database-url.ts';

export const migrateCommand: Command = {
  summary: 'bring the database of DATABASE_URL to this version',
  help: [
    'Usage: purser migrate [--folder <path>]',
    '',
    'Runs the migrations that DATABASE_URL has not seen yet, each in a transaction of its own.',
    'Any number of servers may do it at once. Run it before a new version starts serving.',
  ].join('\n'),
  options: ['folder'],
  async run({ options }) {
    const { applied } = await migrate(await databaseUrl(options), {
      folder: MIGRATIONS,
      log: console.log,
    });
    if (applied.length === 0) console.log('The database is up to date.');
    return 0;
  },
};
