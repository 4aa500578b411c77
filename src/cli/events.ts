import {
  findEvent,
  type ListedEvent,
  listEvents,
  type ShownEvent,
} from '../stripe/inbox/inbox-desk.ts';
import { type Command, type CommandGroup, UsageError } from './command.ts';
import { ignoreCommand, retryCommand } from './events-settle.ts';
import { asJson } from './json.ts';
import { readLimit } from './limit.ts';
import { formatTable, printable } from './table.ts';
import { inWords, readSince, utc } from './times.ts';
import { withPool } from './with-pool.ts';

const STATES = ['received', 'parked', 'ignored', 'done'] as const;
/** A list of years may take longer than a request, in milliseconds. */
const QUERY_TIMEOUT = 60_000;

const listCommand: Command = {
  summary: 'list events, the latest first',
  help: [
    'Usage: purser events list [--state received|parked|ignored|done] [--type <type>]',
    '                          [--since <age or moment>] [--limit <n>] [--json] [--folder <path>]',
    '',
    'Lists events of the inbox, the latest first, at most 50 unless --limit says otherwise.',
    '--type charge.dispute also lists charge.dispute.created and the like; --since takes 7d, 36h,',
    '30m or a moment in UTC such as 2026-11-24. --json prints an array instead of a table.',
  ].join('\n'),
  options: ['state', 'type', 'since', 'limit', 'folder'],
  flags: ['json'],
  async run({ options, flags }) {
    const state = STATES.find((one) => one === options['state']);
    if (options['state'] !== undefined && state === undefined) {
      throw new UsageError(`--state is one of ${STATES.join(', ')}.`);
    }
    const now = Date.now();
    const since = options['since'] === undefined ? undefined : readSince(options['since'], now);
    const limit = readLimit(options['limit']);
    const filter = { state, type: options['type'], since, limit };
    const events = await withPool(options, (pool) => listEvents(pool, filter), QUERY_TIMEOUT);
    if (flags.has('json')) console.log(JSON.stringify(events.map(asJson), null, 2));
    else console.log(events.length === 0 ? 'No event matches.' : tableOf(events, now));
    if (!flags.has('json') && events.length === limit) {
      console.log(`There may be more than these ${limit}; --limit shows them.`);
    }
    return 0;
  },
};

const showCommand: Command = {
  summary: 'show all that is known of one event',
  help: [
    'Usage: purser events show <id> [--payload] [--json] [--folder <path>]',
    '',
    'Shows what an event is about, what became of it and why, and what it did to a balance. The',
    'payload, which holds personal data, is printed only with --payload.',
  ].join('\n'),
  options: ['folder'],
  flags: ['payload', 'json'],
  operands: { name: 'event', least: 1, most: 1 },
  async run({ options, flags, operands: [id = ''] }) {
    const event = await withPool(options, (pool) => findEvent(pool, id), QUERY_TIMEOUT);
    if (!event) throw new Error(`There is no event ${printable(id)}.`);
    const { payload, ...shown } = event;
    if (flags.has('json')) {
      const whole = { ...asJson(shown), ...(flags.has('payload') && { payload }) };
      console.log(JSON.stringify(whole, null, 2));
      return 0;
    }
    console.log(formatTable(factsOf(event, Date.now())));
    if (flags.has('payload') && payload !== null) console.log(`\n${payload}`);
    return 0;
  },
};

export const eventsCommands: CommandGroup = {
  summary: 'find out what became of Stripe’s events; retry or ignore them',
  commands: { list: listCommand, show: showCommand, retry: retryCommand, ignore: ignoreCommand },
};

const HEAD = ['event', 'type', 'state', 'received', 'age'];

/** A row for each event, and what there is to say about it in a line below. */
function tableOf(events: readonly ListedEvent[], now: number): string {
  const rows = events.map(({ id, type, state, receivedAt }) => {
    return [id, type, state, utc(receivedAt), inWords(now - receivedAt)];
  });
  const [head, ...lines] = formatTable([HEAD, ...rows]).split('\n');
  const blocks = events.map((event, i) => {
    const remark = remarkOn(event, now);
    return remark === '' ? lines[i] : `${lines[i]}\n    ${printable(remark)}`;
  });
  return [head, ...blocks].join('\n');
}

function remarkOn({ state, reason, attempts, nextAttemptAt }: ListedEvent, now: number): string {
  if (nextAttemptAt === null) return reason ?? '';
  const next = nextAttemptAt > now ? `next in ${inWords(nextAttemptAt - now)}` : 'due now';
  const tried = `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}, ${next}`;
  return state === 'parked' && reason !== null ? `${reason}; ${tried}` : tried;
}

function factsOf(event: ShownEvent, now: number): readonly (readonly string[])[] {
  const when = (moment: number | null) =>
    moment === null ? '-' : `${utc(moment)}, ${ageOf(moment, now)}`;
  const removed = event.payloadRemovedAt;
  return [
    ['event', event.id],
    ['type', event.type],
    ['about', event.objectId ?? '-'],
    ['state', event.state],
    ['reason', event.reason ?? '-'],
    ['waits for', event.waitsFor.join(', ') || '-'],
    ['attempts', String(event.attempts)],
    ['next', when(event.nextAttemptAt)],
    ['created', when(event.createdAt)],
    ['received', when(event.receivedAt)],
    ['settled', when(event.settledAt)],
    ['mode', event.livemode ? 'live' : 'test'],
    ['account', event.account ?? '-'],
    ['version', event.apiVersion ?? '-'],
    ['payload', removed === null ? 'kept; --payload prints it' : `removed ${when(removed)}`],
    ...event.entries.map(({ userId, kind, delta }) => {
      return ['entry', `${delta > 0 ? '+' : ''}${delta} ${kind} for ${userId}`];
    }),
  ];
}

function ageOf(moment: number, now: number): string {
  return moment > now ? `in ${inWords(moment - now)}` : `${inWords(now - moment)} ago`;
}
