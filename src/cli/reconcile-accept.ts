import { createPool } from '../db/pool.ts';
import { acceptFindings } from '../stripe/reconcile/follow-ups.ts';
import { UsageError } from './command.ts';
import { databaseUrl } from './database-url.ts';
import { noteOf } from './note.ts';
import { printable } from './table.ts';

type Options = Readonly<Record<string, string | undefined>>;

/**
 * Accepts what runs have left about an object, for `purser reconcile --accept`.
 * @returns the exit code
 * @throws UsageError
 */
export async function acceptObject(object: string, options: Options): Promise<number> {
  if (options['why'] === undefined) throw new UsageError('Say why, with --why.');
  const note = noteOf('accepted', options['why'], options['by']);
  const pool = createPool({ url: await databaseUrl(options), size: 1, onError: () => {} });
  const isDone = await acceptFindings(pool, object, note).finally(() => pool.end());
  if (isDone) console.log(printable(`${object} is accepted.`));
  else console.error(printable(`${object}: no run with --apply has left anything about it.`));
  return isDone ? 0 : 1;
}
