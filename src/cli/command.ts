import { parseArgs } from 'node:util';

/** A command of the CLI. */
export interface Command {
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What `--help` prints. */
  readonly help: string;
  /** The options it takes, each with a value; `--help` is understood by all. */
  readonly options: readonly string[];
  /** Options without a value, such as `dry-run`. */
  readonly flags?: readonly string[];
  /** Of these words exactly one must stand beside the options, such as `purchase`. */
  readonly words?: readonly string[];
  /** Returns the exit code: 0 done, 1 the answer is no. Throws what is said on stderr. */
  readonly run: (given: Given) => Promise<number>;
}

/** What was given on the command line. */
interface Given {
  readonly options: Readonly<Record<string, string | undefined>>;
  readonly flags: ReadonlySet<string>;
  /** Which of the command's words; empty when it has none. */
  readonly word: string;
}

/** Runs a command; a wrong use exits with 2, a failure with 1 and a sentence, not a stack. */
export async function explain(command: Command, args: readonly string[]): Promise<number> {
  let given: Given & { help: boolean };
  try {
    given = parse(command, args);
  } catch (error) {
    console.error(`purser: ${sentence(error)}\n\n${command.help}`);
    return 2;
  }
  if (given.help) {
    console.log(command.help);
    return 0;
  }
  try {
    return await command.run(given);
  } catch (error) {
    console.error(`purser: ${sentence(error)}`);
    return 1;
  }
}

function parse(command: Command, args: readonly string[]) {
  const flags = command.flags ?? [];
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: (command.words?.length ?? 0) > 0,
    options: {
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries(command.options.map((name) => [name, { type: 'string' as const }])),
      ...Object.fromEntries(flags.map((name) => [name, { type: 'boolean' as const }])),
    },
  });
  const { help = false, ...options } = values;
  const words = command.words ?? [''];
  const word = positionals.join(' ');
  if (!help && !words.includes(word)) {
    throw new Error(`Say what to do: ${words.join(', ')}.`);
  }
  return {
    help,
    options: options as Given['options'],
    flags: new Set(flags.filter((name) => name in values)),
    word,
  };
}

function sentence(error: unknown): string {
  // What Node throws when every address of a name refuses the connection; its own text is empty.
  if (error instanceof AggregateError) return error.errors.map(sentence).join('; ');
  if (!(error instanceof Error)) return String(error);
  return error.message || error.name;
}
