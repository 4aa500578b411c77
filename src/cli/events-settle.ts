import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { type Progress, progressOf, retryParked } from '../stripe/inbox/inbox-desk.ts';
import { ignoreEvent, retryEvent } from '../stripe/reconcile/ignored-events.ts';
import { type Command, UsageError } from './command.ts';
import { noteOf } from './note.ts';
import { formatTable, printable } from './table.ts';
import { withPool } from './with-pool.ts';

/** The most events that one command names, and that `--parked` retries at once. */
const NAMED = 1_000;
const PARKED = 10_000;
/** How long to wait for a server to take the events, and to look again, in milliseconds. */
const PATIENCE = 5_000;
const LOOK_EVERY = 200;
/** The most events of which each is told. */
const TOLD = 50;

export const retryCommand: Command = {
  summary: 'attempt events again, now',
  help: [
    'Usage: purser events retry <id>… [--why <text>] [--by <name>] [--folder <path>]',
    '       purser events retry --parked [--reason <text>] [--folder <path>]',
    '',
    'Makes events due; a running server takes them within a second, and what became of them is',
    'printed. --parked retries all that are parked, --reason those whose reason contains the text.',
    'An ignored event is opened again; one that is done only when --why says why, and still no',
    'payment grants twice. Exits with 1 when an event was refused or is parked again.',
  ].join('\n'),
  options: ['reason', 'why', 'by', 'folder'],
  flags: ['parked'],
  operands: { name: 'events', least: 0, most: NAMED },
  async run({ options, flags, operands: ids }) {
    const { reason = null, why } = options;
    const parked = flags.has('parked');
    if (parked === ids.length > 0) throw new UsageError('Name events, or say --parked.');
    if (!parked && reason !== null) throw new UsageError('--reason belongs to --parked.');
    if (parked && why !== undefined) throw new UsageError('--why belongs to named events.');
    const note = why === undefined ? null : noteOf('retried', why, options['by']);
    return withPool(options, async (pool) => {
      const { due, refused } = parked
        ? { due: await retryParked(pool, { reason, limit: PARKED }), refused: 0 }
        : await retryNamed(pool, ids, note);
      if (parked && due.length === 0) console.log('No parked event matches.');
      const isWell = due.length === 0 || (await follow(pool, due));
      return isWell && refused === 0 ? 0 : 1;
    });
  },
};

export const ignoreCommand: Command = {
  summary: 'settle events that nothing shall be done about',
  help: [
    'Usage: purser events ignore <id>… --why <text> [--by <name>] [--folder <path>]',
    '',
    'Settles events that are received or parked as ignored; each keeps the reason, who said it (the',
    'user of this machine, unless --by names another) and when. What is done stays done.',
    'Of a payment that also accepts that it has no credits, whatever tells of it next; `purser',
    'reconcile --accepted` lists it, and `purser events retry` takes it back.',
    'Exits with 1 when an event was refused.',
  ].join('\n'),
  options: ['why', 'by', 'folder'],
  operands: { name: 'events', least: 1, most: NAMED },
  async run({ options, operands: ids }) {
    if (options['why'] === undefined) throw new UsageError('Say why, with --why.');
    const note = noteOf('ignored', options['why'], options['by']);
    return withPool(options, async (pool) => {
      const { due: ignored, refused } = await each(ids, (id) => ignoreEvent(pool, { id, note }));
      for (const id of ignored) console.log(`${id} is ignored.`);
      return refused === 0 ? 0 : 1;
    });
  },
};

/** Does something about each event; says of those that refuse it why. */
async function each(
  ids: readonly string[],
  act: (id: string) => Promise<string | null>,
): Promise<{ readonly due: readonly string[]; readonly refused: number }> {
  const due: string[] = [];
  for (const id of new Set(ids)) {
    const refusal = await act(id);
    if (refusal === null) due.push(id);
    else console.error(printable(`${id}: ${refusal}.`));
  }
  return { due, refused: new Set(ids).size - due.length };
}

async function retryNamed(pool: Pool, ids: readonly string[], note: string | null) {
  // Before they are due: a server may take them at once.
  const before = await progressOf(pool, ids);
  const { due, refused } = await each(ids, (id) => retryEvent(pool, { id, note }));
  return { due: before.filter(({ id }) => due.includes(id)), refused };
}

/**
 * Waits until a server has attempted the events, and prints what became of them.
 * @returns false when one of them is parked again
 */
async function follow(pool: Pool, before: readonly Progress[]): Promise<boolean> {
  const ids = before.map(({ id }) => id);
  const attempts = new Map(before.map((one) => [one.id, one.attempts]));
  let now = await progressOf(pool, ids);
  for (const until = Date.now() + PATIENCE; Date.now() < until && !now.every(isSettled); ) {
    await delay(LOOK_EVERY);
    now = await progressOf(pool, ids);
  }
  if (now.every((one) => one.attempts === attempts.get(one.id) && !isSettled(one))) {
    console.log(
      `${ids.length === 1 ? 'It is' : `${ids.length} events are`} due, but no server has taken ` +
        `${ids.length === 1 ? 'it' : 'them'} up: none seems to run. The next one will.`,
    );
    return true;
  }
  if (now.length <= TOLD) console.log(formatTable(now.map(rowOf)));
  const count = (state: string) => now.filter((one) => one.state === state).length;
  const counts = ['done', 'ignored', 'parked', 'received'].map((one) => `${count(one)} ${one}`);
  if (now.length > 1) console.log(`${counts.join(', ')}.`);
  return count('parked') === 0;
}

const isSettled = ({ state }: Progress) => state === 'done' || state === 'ignored';
const rowOf = ({ id, type, state, reason }: Progress) => [id, type, state, reason ?? ''];
