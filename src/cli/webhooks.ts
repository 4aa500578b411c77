import {
  createEndpoint,
  deleteEndpoint,
  disableEndpoint,
  type Endpoint,
  enableEndpoint,
  listEndpoints,
  MOST_ENDPOINTS,
  OVERLAP,
  rotateSecret,
  updateEndpoint,
} from '../alerts/endpoints.ts';
import { checkUrl, RefusedTarget } from '../alerts/target.ts';
import { readsPrivateTargets } from '../config/alerts.ts';
import { ConfigError } from '../config/config.ts';
import { MODES } from '../config/values.ts';
import { readEnvironment, readVariables } from '../config/variables.ts';
import { ALERT_TYPES, type AlertType } from '../ledger/core/alert.ts';
import { type Command, type CommandGroup, UsageError } from './command.ts';
import { asJson } from './json.ts';
import { formatTable } from './table.ts';
import { inWords, utc } from './times.ts';
import { deliveriesCommand, replayCommand, unknownEndpoint } from './webhooks-deliveries.ts';
import { withPool } from './with-pool.ts';

/** What every command about one endpoint takes. */
const ENDPOINT = { name: 'endpoint', least: 1, most: 1 } as const;

const createCommand: Command = {
  summary: 'make an endpoint and print its secret, once',
  help: [
    'Usage: purser webhooks create --url <url> [--event <type>]… [--json] [--folder <path>]',
    '',
    'Alerts are posted to the URL from now on, all of them unless --event, which may be repeated,',
    `names some: ${ALERT_TYPES.slice(0, 4).join(', ')},`,
    `${ALERT_TYPES.slice(4).join(', ')}. The secret, with which they are signed by the Standard`,
    'Webhooks scheme, is shown only now. The URL is https, at an address on the internet, unless',
    'WEBHOOK_PRIVATE_TARGETS=allow.',
  ].join('\n'),
  options: ['url', 'folder'],
  lists: ['event'],
  flags: ['json'],
  async run({ options, lists, flags }) {
    const wanted = { url: readUrl(options['url']), types: readTypes(lists['event']) };
    const made = await withPool(options, (pool) => createEndpoint(pool, wanted));
    if (!made) throw new Error(`There are ${MOST_ENDPOINTS} endpoints already; delete one first.`);
    if (flags.has('json')) {
      console.log(JSON.stringify(asJson({ ...made, ...wanted }), null, 2));
      return 0;
    }
    const what = wanted.types === null ? 'every alert' : wanted.types.join(', ');
    console.error(`${made.id} gets ${what} at ${wanted.url}. Its secret, shown only now:`);
    console.log(made.secret);
    return 0;
  },
};

const updateCommand: Command = {
  summary: 'change where an endpoint is, or which alerts it gets',
  help: [
    'Usage: purser webhooks update <endpoint> [--url <url>] [--event <type>]… [--all-events]',
    '                              [--folder <path>]',
    '',
    'Changes the URL, to which also goes what waits already, or which alerts are filed from now on.',
    'What is not named stays; the secret does, too.',
  ].join('\n'),
  options: ['url', 'folder'],
  lists: ['event'],
  flags: ['all-events'],
  operands: ENDPOINT,
  async run({ options, lists, flags, operands: [id = ''] }) {
    const [url, types] = [options['url'], readTypes(lists['event'])];
    const all = flags.has('all-events');
    if (all && types) throw new UsageError('Say --event or --all-events.');
    if (url === undefined && !types && !all) {
      throw new UsageError('Say --url, --event or --all-events.');
    }
    const wanted = {
      ...(url !== undefined && { url: readUrl(url) }),
      ...((types || all) && { types }),
    };
    if (!(await withPool(options, (pool) => updateEndpoint(pool, id, wanted)))) {
      throw unknownEndpoint(id);
    }
    console.log(`${id} is changed.`);
    return 0;
  },
};

const listCommand: Command = {
  summary: 'list endpoints, the oldest first',
  help: [
    'Usage: purser webhooks list [--json] [--folder <path>]',
    '',
    'Lists the endpoints, whether they are enabled, and how many alerts wait to be delivered to',
    'each. --json prints an array instead of a table.',
  ].join('\n'),
  options: ['folder'],
  flags: ['json'],
  async run({ options, flags }) {
    const endpoints = await withPool(options, listEndpoints);
    const now = Date.now();
    if (flags.has('json')) console.log(JSON.stringify(endpoints.map(asJson), null, 2));
    else if (endpoints.length === 0) console.log('There is no webhook endpoint.');
    else console.log(formatTable([HEAD, ...endpoints.map((one) => rowOf(one, now))]));
    return 0;
  },
};

const disableCommand: Command = {
  summary: 'stop deliveries; what happens meanwhile waits',
  help: [
    'Usage: purser webhooks disable <endpoint> [--folder <path>]',
    '',
    'Stops deliveries to an endpoint. Its alerts are filed meanwhile and wait until it is enabled,',
    'for 90 days at most.',
  ].join('\n'),
  options: ['folder'],
  operands: ENDPOINT,
  run: ({ options, operands: [id = ''] }) =>
    withPool(options, async (pool) => {
      if (!(await disableEndpoint(pool, id))) throw unknownEndpoint(id);
      console.log(`${id} is disabled; what happens meanwhile waits.`);
      return 0;
    }),
};

const enableCommand: Command = {
  summary: 'deliver again, first what waits',
  help: [
    'Usage: purser webhooks enable <endpoint> [--folder <path>]',
    '',
    'Delivers to an endpoint again that was disabled, by hand or because it failed, and first what',
    'waits, at once. It also ends the pauses of one that is enabled and fails.',
  ].join('\n'),
  options: ['folder'],
  operands: ENDPOINT,
  run: ({ options, operands: [id = ''] }) =>
    withPool(options, async (pool) => {
      if (!(await enableEndpoint(pool, id))) throw unknownEndpoint(id);
      console.log(`${id} is enabled.`);
      return 0;
    }),
};

const deleteCommand: Command = {
  summary: 'delete an endpoint, for good',
  help: [
    'Usage: purser webhooks delete <endpoint> [--folder <path>]',
    '',
    'Deletes an endpoint and its secrets. What waits for it is delivered no more.',
  ].join('\n'),
  options: ['folder'],
  operands: ENDPOINT,
  run: ({ options, operands: [id = ''] }) =>
    withPool(options, async (pool) => {
      if (!(await deleteEndpoint(pool, id))) throw unknownEndpoint(id);
      console.log(`${id} is deleted.`);
      return 0;
    }),
};

const rotateCommand: Command = {
  summary: 'make another secret and print it, once',
  help: [
    'Usage: purser webhooks rotate <endpoint> [--overlap <hours>] [--folder <path>]',
    '',
    'Makes another secret. For --overlap hours (24 unless said) alerts are signed with both, so that',
    'the receiver may change over at any time in between. 0, for when one has leaked, ends all that',
    'were before.',
  ].join('\n'),
  options: ['overlap', 'folder'],
  operands: ENDPOINT,
  async run({ options, operands: [id = ''] }) {
    const overlap = readOverlap(options['overlap']);
    const secret = await withPool(options, (pool) => rotateSecret(pool, id, overlap));
    if (secret === null) throw unknownEndpoint(id);
    const old = overlap === 0 ? 'signs no more' : `signs too for ${overlap} h`;
    console.error(`The old secret of ${id} ${old}. The new one, shown only now:`);
    console.log(secret);
    return 0;
  },
};

export const webhooksCommands: CommandGroup = {
  summary: 'tell your servers of alerts: endpoints, their secrets, what was delivered',
  commands: {
    create: createCommand,
    update: updateCommand,
    list: listCommand,
    disable: disableCommand,
    enable: enableCommand,
    delete: deleteCommand,
    rotate: rotateCommand,
    deliveries: deliveriesCommand,
    replay: replayCommand,
  },
};

function readUrl(text = ''): string {
  const variables = readVariables(readEnvironment());
  const mode = variables.oneOf('NODE_ENV', MODES, 'development');
  const allowsPrivate = readsPrivateTargets(variables, mode);
  if (variables.problems.length > 0) throw new ConfigError(variables.problems);
  try {
    return checkUrl(text, { allowsPrivate });
  } catch (error) {
    if (error instanceof RefusedTarget) throw new UsageError(`--url: ${error.message}.`);
    throw error;
  }
}

function readTypes(texts: readonly string[] = []): readonly AlertType[] | null {
  const types = ALERT_TYPES.filter((type) => texts.includes(type));
  if (types.length < new Set(texts).size) {
    throw new UsageError(`--event is one of ${ALERT_TYPES.join(', ')}.`);
  }
  return types.length === 0 ? null : types;
}

function readOverlap(text: string | undefined): number {
  if (text === undefined) return OVERLAP.usual;
  const hours = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (hours <= OVERLAP.most) return hours;
  throw new UsageError(`--overlap is a whole number of hours from 0 to ${OVERLAP.most}.`);
}

const HEAD = ['endpoint', 'url', 'events', 'state', 'waiting', 'created'];

function rowOf(endpoint: Endpoint, now: number): readonly string[] {
  const { id, url, types, pending, createdAt } = endpoint;
  const events = types?.join(',') ?? 'all';
  return [id, url, events, stateOf(endpoint, now), String(pending), utc(createdAt)];
}

function stateOf({ disabledReason, failures, failingSince }: Endpoint, now: number): string {
  if (disabledReason !== null) return `disabled: ${disabledReason}`;
  if (failingSince === null) return 'enabled';
  return `enabled, ${failures} failures in ${inWords(now - failingSince)}`;
}
