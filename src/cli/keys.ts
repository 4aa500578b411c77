import { createKey, listKeys, revokeKey, type StoredKey } from '../auth/key-store.ts';
import { looksLikeServiceKey, prefixOf } from '../auth/service-key.ts';
import { isStorable } from '../db/text.ts';
import { SCOPES, type Scope } from '../identity.ts';
import { type Command, type CommandGroup, UsageError } from './command.ts';
import { asJson } from './json.ts';
import { formatTable, printable } from './table.ts';
import { inWords, readExpiry, utc } from './times.ts';
import { withPool } from './with-pool.ts';

const NAME_LENGTH = 100;

const createCommand: Command = {
  summary: 'make a key and print it, once',
  help: [
    'Usage: purser keys create --name <name> --scope <scope>… [--expires <when>] [--json]',
    '                          [--folder <path>]',
    '',
    'Makes a service key and prints it. It is shown only now: what is stored is its SHA-256. Scopes',
    `are ${SCOPES.join(', ')}; admin may do everything.`,
    'Repeat --scope for several. --expires takes 90d, 36h or a moment in UTC such as 2027-11-24.',
    'Keys live side by side: to replace one, make the next, hand it out, then revoke the old one.',
  ].join('\n'),
  options: ['name', 'expires', 'folder'],
  lists: ['scope'],
  flags: ['json'],
  async run({ options, lists, flags }) {
    const expiresAt =
      options['expires'] === undefined ? null : readExpiry(options['expires'], Date.now());
    const wanted = {
      name: readName(options['name']),
      scopes: readScopes(lists['scope']),
      expiresAt,
    };
    const made = await withPool(options, (pool) => createKey(pool, wanted));
    if (flags.has('json')) {
      console.log(JSON.stringify(asJson({ ...made, ...wanted }), null, 2));
      return 0;
    }
    const until = expiresAt === null ? '' : `, until ${utc(expiresAt)}`;
    console.error(`${made.prefix}… may ${wanted.scopes.join(', ')}${until}. Shown only now:`);
    console.log(made.key);
    return 0;
  },
};

const listCommand: Command = {
  summary: 'list keys, the newest first',
  help: [
    'Usage: purser keys list [--json] [--folder <path>]',
    '',
    'Lists every key there is or was by how it begins, which is also how entries name it: a statement',
    'says key:purser_sk_… for what a key did. --json prints an array instead of a table.',
  ].join('\n'),
  options: ['folder'],
  flags: ['json'],
  async run({ options, flags }) {
    const keys = await withPool(options, listKeys);
    const now = Date.now();
    if (flags.has('json')) console.log(JSON.stringify(keys.map(asJson), null, 2));
    else if (keys.length === 0) console.log('There is no service key.');
    else console.log(formatTable([HEAD, ...keys.map((key) => rowOf(key, now))]));
    return 0;
  },
};

const revokeCommand: Command = {
  summary: 'end a key, for good',
  help: [
    'Usage: purser keys revoke <prefix> [--folder <path>]',
    '',
    'Ends a key on every server within 5 seconds. <prefix> is how it begins, as `keys list` shows',
    'it; the whole key does as well. Exits with 1 when there is no such key.',
  ].join('\n'),
  options: ['folder'],
  operands: { name: 'key', least: 1, most: 1 },
  async run({ options, operands: [text = ''] }) {
    if (!looksLikeServiceKey(text))
      throw new UsageError('Name a key by how it begins: purser_sk_….');
    const prefix = prefixOf(text);
    const revoked = await withPool(options, (pool) => revokeKey(pool, prefix));
    if (revoked === null) throw new Error(`There is no key ${printable(prefix)}.`);
    const what = `${prefix}… (${printable(revoked.name)})`;
    console.log(revoked.already ? `${what} was revoked before.` : `${what} is revoked.`);
    return 0;
  },
};

export const keysCommands: CommandGroup = {
  summary: 'make, list and revoke the service keys with which servers call',
  commands: { create: createCommand, list: listCommand, revoke: revokeCommand },
};

function readName(text = ''): string {
  const isFit = text.trim() !== '' && [...text].length <= NAME_LENGTH && isStorable(text);
  if (!isFit) throw new UsageError(`--name is a text of up to ${NAME_LENGTH} characters.`);
  return text;
}

function readScopes(texts: readonly string[] = []): readonly Scope[] {
  const scopes = SCOPES.filter((scope) => texts.includes(scope));
  if (scopes.length === 0 || scopes.length < new Set(texts).size) {
    throw new UsageError(`--scope is one of ${SCOPES.join(', ')}.`);
  }
  return scopes;
}

const HEAD = ['key', 'name', 'scopes', 'state', 'created', 'expires', 'last used'];

function rowOf(key: StoredKey, now: number): readonly string[] {
  const { prefix, name, scopes, createdAt, expiresAt, lastUsedAt } = key;
  return [
    `${prefix}…`,
    name,
    scopes.join(','),
    stateOf(key, now),
    utc(createdAt),
    expiresAt === null ? '-' : utc(expiresAt),
    lastUsedAt === null ? '-' : `${inWords(now - lastUsedAt)} ago`,
  ];
}

function stateOf({ revokedAt, expiresAt }: StoredKey, now: number): string {
  if (revokedAt !== null) return 'revoked';
  return expiresAt !== null && expiresAt <= now ? 'expired' : 'live';
}
