import type { Pool } from 'pg';
import { DELIVERY_STATES, type ListedDelivery, listDeliveries } from '../alerts/deliveries.ts';
import { type Replay, type Replayed, replay } from '../alerts/replay.ts';
import { type Command, UsageError } from './command.ts';
import { asJson } from './json.ts';
import { readLimit } from './limit.ts';
import { formatTable, printable } from './table.ts';
import { inWords, readSince, utc } from './times.ts';
import { withPool } from './with-pool.ts';

/** The most alerts that one command names. */
const NAMED = 1_000;
/** A list of months may take longer than a request, in milliseconds. */
const QUERY_TIMEOUT = 60_000;
const UUID = /^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/i;

export const deliveriesCommand: Command = {
  summary: 'list what became of alerts at an endpoint, the latest first',
  help: [
    'Usage: purser webhooks deliveries <endpoint> [--state pending|delivered|failed] [--user <id>]',
    '                                  [--limit <n>] [--json] [--folder <path>]',
    '',
    'Lists the alerts of an endpoint, the latest first, at most 50 unless --limit says otherwise, with',
    'what the last attempt was answered. An alert is pending while it waits for its turn or for the',
    'next attempt, failed when the last one was given up. --json prints an array.',
  ].join('\n'),
  options: ['state', 'user', 'limit', 'folder'],
  flags: ['json'],
  operands: { name: 'endpoint', least: 1, most: 1 },
  async run({ options, flags, operands: [endpointId = ''] }) {
    const state = DELIVERY_STATES.find((one) => one === options['state']);
    if (options['state'] !== undefined && state === undefined) {
      throw new UsageError(`--state is one of ${DELIVERY_STATES.join(', ')}.`);
    }
    const filter = {
      endpointId,
      state,
      userId: options['user'],
      limit: readLimit(options['limit']),
    };
    const page = await withPool(options, (pool) => listDeliveries(pool, filter), QUERY_TIMEOUT);
    if (page === null) throw unknownEndpoint(endpointId);
    const found = page.deliveries;
    const now = Date.now();
    if (flags.has('json')) console.log(JSON.stringify(found.map(asJson), null, 2));
    else if (found.length === 0) console.log('No delivery matches.');
    else console.log(formatTable([HEAD, ...found.map((one) => rowOf(one, now))]));
    return 0;
  },
};

export const replayCommand: Command = {
  summary: 'deliver alerts again',
  help: [
    'Usage: purser webhooks replay <endpoint> <alert>… [--folder <path>]',
    '       purser webhooks replay <endpoint> --failed [--folder <path>]',
    '       purser webhooks replay <endpoint> --since <age or moment> [--folder <path>]',
    '',
    'Delivers alerts to an endpoint again: those that are named by their ids, those that were given',
    'up, or all of its events since 7d, 36h, 30m or a moment in UTC such as 2026-11-24, also those of',
    'before it was made. Ids stay the same, so that the receiver knows what it has had. An account’s',
    'alerts are delivered in their order. Alerts are kept for 90 days.',
  ].join('\n'),
  options: ['since', 'folder'],
  flags: ['failed'],
  operands: { name: 'endpoint and alerts', least: 1, most: 1 + NAMED },
  async run({ options, flags, operands: [endpoint = '', ...alerts] }) {
    const which = readReplay(alerts, options['since'], flags.has('failed'));
    const { due, disabled } = await withPool(
      options,
      (pool) => replayAll(pool, endpoint, which),
      QUERY_TIMEOUT,
    );
    const at = printable(endpoint);
    console.log(`${due === 1 ? '1 alert is' : `${due} alerts are`} due at ${at}.`);
    if (disabled) console.log('It is disabled: nothing is sent until it is enabled.');
    return 0;
  },
};

/** As many replays as it takes. */
async function replayAll(
  pool: Pool,
  endpoint: string,
  which: Replay,
): Promise<Omit<Replayed, 'next'>> {
  for (let due = 0, after = 0; ; ) {
    const done = await replay(pool, endpoint, which, after);
    if (done === null) throw unknownEndpoint(endpoint);
    due += done.due;
    if (done.next === null) return { due, disabled: done.disabled };
    after = done.next;
  }
}

export function unknownEndpoint(id: string): Error {
  return new Error(`There is no endpoint ${printable(id)}.`);
}

function readReplay(alerts: readonly string[], since: string | undefined, failed: boolean): Replay {
  const ways = [alerts.length > 0, since !== undefined, failed].filter(Boolean).length;
  if (ways !== 1) throw new UsageError('Name alerts, or say --failed or --since.');
  if (failed) return { failed };
  if (since !== undefined) return { since: readSince(since, Date.now()) };
  const wrong = alerts.find((id) => !UUID.test(id));
  if (wrong !== undefined) throw new UsageError(`${printable(wrong)} is not the id of an alert.`);
  return { alerts };
}

const HEAD = ['alert', 'type', 'user', 'state', 'created', 'attempts', 'last answer'];

function rowOf(delivery: ListedDelivery, now: number): readonly string[] {
  const { alert, type, userId, createdAt, attempts, status, problem } = delivery;
  const answer = problem ?? (status === null ? '-' : String(status));
  return [alert, type, userId, stateOf(delivery, now), utc(createdAt), String(attempts), answer];
}

function stateOf({ state, nextAttemptAt }: ListedDelivery, now: number): string {
  if (nextAttemptAt === null) return state;
  return nextAttemptAt > now ? `${state}, in ${inWords(nextAttemptAt - now)}` : `${state}, due`;
}
