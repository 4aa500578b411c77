import { parseArgs } from 'node:util';
import { sqlState } from '../db/sqlstate.ts';

/** A command of the CLI. */
export interface Command {
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What `--help` prints. */
  readonly help: string;
  /** The options it takes, each with a value; `--help` is understood by all. */
  readonly options: readonly string[];
  /** Options that may be given several times, each with a value, such as `scope`. */
  readonly lists?: readonly string[];
  /** Options without a value, such as `dry-run`. */
  readonly flags?: readonly string[];
  /** Of these words exactly one must stand beside the options, such as `purchase`. */
  readonly words?: readonly string[];
  /** What stands beside the options instead, such as ids: at least so many. */
  readonly operands?: { readonly name: string; readonly least: number; readonly most: number };
  /** Returns the exit code: 0 done, 1 the answer is no. Throws what is said on stderr. */
  readonly run: (given: Given) => Promise<number>;
}

/** Commands under one name, such as `events list` and `events show`. */
export interface CommandGroup {
  readonly summary: string;
  readonly commands: Readonly<Record<string, Command>>;
}

/** What was given on the command line. */
interface Given {
  readonly options: Readonly<Record<string, string | undefined>>;
  readonly lists: Readonly<Record<string, readonly string[] | undefined>>;
  readonly flags: ReadonlySet<string>;
  /** Which of the command's words; empty when it has none. */
  readonly word: string;
  readonly operands: readonly string[];
}

/** An option's value is not one that the command takes: a wrong use. */
export class UsageError extends Error {}

/** Runs a command, or the one of a group that the first argument names. */
export async function explain(
  command: Command | CommandGroup,
  args: readonly string[],
  name = '',
): Promise<number> {
  if (!('commands' in command)) return explainOne(command, args, name);
  const [word, ...rest] = args;
  const chosen = word !== undefined && Object.hasOwn(command.commands, word);
  const one = chosen ? command.commands[word] : undefined;
  if (one) return explainOne(one, rest, `${name} ${word}`);
  const asked = word === undefined || ['help', '--help', '-h'].includes(word);
  if (!asked) console.error(`purser: there is no command "${name} ${word}".\n`);
  console[asked ? 'log' : 'error'](usageOf(`purser ${name}`, command.commands));
  return asked ? 0 : 2;
}

/** The list of commands, as it is printed when none was named. */
export function usageOf(
  program: string,
  commands: Readonly<Record<string, Command | CommandGroup>>,
): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length)) + 2;
  return [
    `Usage: ${program} <command> [options]`,
    '',
    ...Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}`),
    '',
    `\`${program} <command> --help\` tells more.`,
  ].join('\n');
}

/** Runs a command; a wrong use exits with 2, a failure with 1 and a sentence, not a stack. */
async function explainOne(
  command: Command,
  args: readonly string[],
  name: string,
): Promise<number> {
  const tellUsage = (error: unknown) =>
    console.error(`purser: ${sentence(error)}\nSee \`purser ${name} --help\`.`);
  let given: Given & { help: boolean };
  try {
    given = parse(command, args);
  } catch (error) {
    tellUsage(error);
    return 2;
  }
  if (given.help) {
    console.log(command.help);
    return 0;
  }
  try {
    return await command.run(given);
  } catch (error) {
    if (error instanceof UsageError) {
      tellUsage(error);
      return 2;
    }
    console.error(`purser: ${sentence(error)}`);
    return 1;
  }
}

function parse(command: Command, args: readonly string[]) {
  const { lists = [], flags = [] } = command;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: command.words !== undefined || command.operands !== undefined,
    options: {
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries(command.options.map((name) => [name, { type: 'string' as const }])),
      ...Object.fromEntries(
        lists.map((name) => [name, { type: 'string' as const, multiple: true }]),
      ),
      ...Object.fromEntries(flags.map((name) => [name, { type: 'boolean' as const }])),
    },
  });
  const { help = false, ...options } = values;
  const { operands, words = [''] } = command;
  const word = operands ? '' : positionals.join(' ');
  if (!help && !words.includes(word)) {
    throw new Error(`Say what to do: ${words.join(', ')}.`);
  }
  const { name = '', least = 0, most = 0 } = operands ?? {};
  if (!help && operands && (positionals.length < least || positionals.length > most)) {
    throw new Error(`Name ${least === most ? `${least}` : `${least} to ${most}`} ${name}.`);
  }
  return {
    help,
    options: options as Given['options'],
    lists: options as Given['lists'],
    flags: new Set(flags.filter((name) => name in values)),
    word,
    operands: operands ? positionals : [],
  };
}

/** A table, a column or a function that is not there. (Postgres manual, appendix A) */
const OF_ANOTHER_SCHEMA = ['42P01', '42703', '42883'];

function sentence(error: unknown): string {
  // What Node throws when every address of a name refuses the connection; its own text is empty.
  if (error instanceof AggregateError) return error.errors.map(sentence).join('; ');
  if (!(error instanceof Error)) return String(error);
  if (OF_ANOTHER_SCHEMA.includes(sqlState(error) ?? '')) {
    return `The database is not of this version; run \`purser migrate\` on it (${error.message}).`;
  }
  return error.message || error.name;
}
