import { createPool } from '../db/pool.ts';
import { verifyLedger } from '../ledger/read/verify.ts';
import type { Command } from './command.ts';
import { databaseUrl } from './database-url.ts';

/** How long to wait for one batch, in milliseconds. */
const QUERY_TIMEOUT = 60_000;

export const verifyCommand: Command = {
  summary: 'check every entry of the ledger against the rules',
  help: [
    'Usage: purser verify [--against <root>] [--folder <path>]',
    '',
    'Recomputes numbering, balances, states and hashes of every account from its first entry, and',
    'names the first entry of an account that differs. Prints a root: one line that stands for all',
    'entries that are older than a minute. Keep it outside the database; --against finds out later',
    'whether what it stood for was rewritten or cut off. Exits with 1 when something is wrong.',
  ].join('\n'),
  options: ['against', 'folder'],
  async run({ options }) {
    const url = await databaseUrl(options);
    // Batches of a cold or busy database take longer than a request may wait.
    const pool = createPool({ url, size: 1, onError: () => {}, queryTimeout: QUERY_TIMEOUT });
    const onProgress = (entries: number) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${entries} entries …`);
    };
    const found = await verifyLedger(pool, { against: options['against'], onProgress }).finally(
      () => pool.end(),
    );
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');

    for (const { userId, seq, what } of found.faults) {
      console.log(`FAULT  account ${JSON.stringify(userId)}, entry ${seq}: ${what}`);
    }
    if (found.matches === false)
      console.log('FAULT  the ledger no longer holds what the root stood for');
    const sound = found.faults.length === 0 && found.matches !== false;
    console.log(
      `${count(found.accounts, 'account', 'accounts')}, ${count(found.entries, 'entry', 'entries')}: ` +
        (sound ? 'sound' : 'NOT SOUND'),
    );
    if (found.matches) console.log('The ledger still holds what the root stood for.');
    console.log(`The root stands for the ${found.entriesInRoot} that are older than a minute:`);
    console.log(`root ${found.root}`);
    return sound ? 0 : 1;
  },
};

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}
