import { acceptFindings, listAccepted, unacceptFindings } from '../stripe/reconcile/acceptances.ts';
import { UsageError } from './command.ts';
import { noteOf } from './note.ts';
import { acceptedAsJson, formatAccepted } from './reconcile-report.ts';
import { printable } from './table.ts';
import { withPool } from './with-pool.ts';

type Options = Readonly<Record<string, string | undefined>>;

/**
 * Accepts what runs have left about an object, for `purser reconcile --accept`.
 * @returns the exit code
 * @throws UsageError
 */
export async function acceptObject(object: string, options: Options): Promise<number> {
  if (options['why'] === undefined) throw new UsageError('Say why, with --why.');
  const note = noteOf('accepted', options['why'], options['by']);
  const isDone = await withPool(options, (pool) => acceptFindings(pool, object, note));
  if (isDone) console.log(printable(`${object} is accepted.`));
  else console.error(printable(`${object}: no run with --apply has left anything about it.`));
  return isDone ? 0 : 1;
}

/** Undoes that, for `purser reconcile --unaccept`. @returns the exit code */
export async function unacceptObject(object: string, options: Options): Promise<number> {
  const isDone = await withPool(options, (pool) => unacceptFindings(pool, object));
  if (isDone) console.log(printable(`${object} is accepted no more.`));
  else console.error(printable(`${object}: nothing about it is accepted.`));
  return isDone ? 0 : 1;
}

/** Prints what is accepted, for `purser reconcile --accepted`. @returns the exit code */
export async function printAccepted(options: Options, isJson: boolean): Promise<number> {
  const accepted = await withPool(options, listAccepted);
  console.log(isJson ? acceptedAsJson(accepted) : formatAccepted(accepted));
  return 0;
}
