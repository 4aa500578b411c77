import {
  type AcceptedFinding,
  acceptFinding,
  listAccepted,
  unacceptFindings,
} from '../stripe/reconcile/acceptances.ts';
import type { Finding } from '../stripe/reconcile/report.ts';
import { UsageError } from './command.ts';
import { noteOf } from './note.ts';
import { acceptedAsJson, formatAccepted, formatLeft } from './reconcile-report.ts';
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
  const mark = options['seen'] ?? null;
  const { done, accepted } = await withPool(options, async (pool) => ({
    done: await acceptFinding(pool, { object, mark, note }),
    accepted: await listAccepted(pool),
  }));
  if (!done.ok) {
    const already = accepted.filter((one) => one.object === object);
    console.error(whyNot(object, mark, done.left, already));
    return 1;
  }
  console.log(printable(`${object} is accepted.`));
  for (const event of done.events) console.log(printable(`${event} is ignored.`));
  return 0;
}

function whyNot(
  object: string,
  mark: string | null,
  left: readonly Finding[],
  accepted: readonly AcceptedFinding[],
): string {
  if (left.length === 0 && accepted.length > 0) {
    return `${printable(`${object} is accepted already:`)}\n\n${formatAccepted(accepted)}`;
  }
  if (left.length === 0) {
    return printable(`${object}: no run with --apply has left anything about it.`);
  }
  const what = mark === null ? 'say what you have seen' : 'it is not what you have seen';
  return `${printable(`${object}: ${what}; this is left:`)}\n\n${formatLeft(left)}`;
}

/** Undoes that, for `purser reconcile --unaccept`. @returns the exit code */
export async function unacceptObject(object: string, options: Options): Promise<number> {
  const events = await withPool(options, (pool) => unacceptFindings(pool, object));
  if (events === null) {
    console.error(printable(`${object}: nothing about it is accepted.`));
    return 1;
  }
  console.log(printable(`${object} is accepted no more.`));
  for (const event of events) console.log(printable(`${event} is due.`));
  return 0;
}

/** Prints what is accepted, for `purser reconcile --accepted`. @returns the exit code */
export async function printAccepted(options: Options, isJson: boolean): Promise<number> {
  const accepted = await withPool(options, listAccepted);
  console.log(isJson ? acceptedAsJson(accepted) : formatAccepted(accepted));
  return 0;
}
