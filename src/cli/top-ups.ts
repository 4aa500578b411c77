import { ATTEMPT_STATES, type ListedAttempt, listAttempts } from '../stripe/top-up/desk.ts';
import { type Command, type CommandGroup, UsageError } from './command.ts';
import { asJson } from './json.ts';
import { readLimit } from './limit.ts';
import { formatTable } from './table.ts';
import { utc } from './times.ts';
import { withPool } from './with-pool.ts';

/** Years of attempts may take longer than a request, in milliseconds. */
const QUERY_TIMEOUT = 60_000;

const listCommand: Command = {
  summary: 'list auto top-ups with what became of them, the latest first',
  help: [
    'Usage: purser top-ups list [--state open|charged|granted|not_granted|failed] [--user <id>]',
    '                           [--limit <n>] [--json] [--folder <path>]',
    '',
    'Lists attempts at auto top-ups, the latest first, at most 50 unless --limit says otherwise. One is',
    'open until its payment has succeeded or failed, charged until its credits are there, and',
    'not_granted when they shall not come: its payment was accepted without them (purser reconcile',
    '--accept), or its event is ignored. A user who was charged is charged no more before that. What',
    'stays charged for long waits for its event: see purser events and purser reconcile.',
    '--json prints an array.',
  ].join('\n'),
  options: ['state', 'user', 'limit', 'folder'],
  flags: ['json'],
  async run({ options, flags }) {
    const state = ATTEMPT_STATES.find((one) => one === options['state']);
    if (options['state'] !== undefined && state === undefined) {
      throw new UsageError(`--state is one of ${ATTEMPT_STATES.join(', ')}.`);
    }
    const filter = { state, userId: options['user'], limit: readLimit(options['limit']) };
    const found = await withPool(options, (pool) => listAttempts(pool, filter), QUERY_TIMEOUT);
    if (flags.has('json')) console.log(JSON.stringify(found.map(asJson), null, 2));
    else if (found.length === 0) console.log('No auto top-up matches.');
    else console.log(formatTable([HEAD, ...found.map(rowOf)]));
    return 0;
  },
};

const HEAD = ['started', 'user', 'state', 'amount', 'charged', 'invoice', 'reason'];

function rowOf(attempt: ListedAttempt): readonly string[] {
  const { userId, state, amount, currency, invoice, startedAt, chargedAt, reason } = attempt;
  const charged = chargedAt === null ? '-' : utc(chargedAt);
  const price = `${amount} ${currency}`;
  return [utc(startedAt), userId, state, price, charged, invoice ?? '-', reason ?? '-'];
}

export const topUpsCommands: CommandGroup = {
  summary: 'list auto top-ups',
  commands: { list: listCommand },
};
