import { existsSync } from 'node:fs';

/** Variables by name, as a process gets them. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Reads variables one by one and collects what is wrong with them. */
export interface Variables {
  readonly problems: readonly string[];
  readonly complain: (name: string, what: string) => void;
  /** The value, or a complaint and an empty text when the variable is missing or malformed. */
  readonly required: (name: string, parse: (text: string) => string) => string;
  readonly optional: <T>(name: string, parse: (text: string) => T) => T | null;
  /** A JSON array of strings; null when the variable is not set. */
  readonly list: <T>(name: string, parse: (text: string) => T) => readonly T[] | null;
  readonly integer: (
    name: string,
    range: { min: number; max: number; otherwise: number },
  ) => number;
  readonly oneOf: <T extends string>(name: string, values: readonly T[], otherwise: T) => T;
}

/**
 * The process's environment, and a `.env` file in the working directory for what it does not
 * set; an empty variable counts as one that is not set, and the names that
 * an older deployment gave the database's URL are read as DATABASE_URL.
 */
export function readEnvironment(): Env {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const env = Object.fromEntries(Object.entries(process.env).filter(([, text]) => text !== ''));
  const databaseUrl = env['DATABASE_URL'] ?? env['SYNC_DATABASE_URL'] ?? env['ASYNC_DATABASE_URL'];
  return { ...env, DATABASE_URL: databaseUrl };
}

/** Parsers throw the rest of a sentence that begins with the variable's name. */
export function readVariables(env: Env): Variables {
  const problems: string[] = [];

  const complain = (name: string, what: string) => void problems.push(`${name} ${what}`);

  function optional<T>(name: string, parse: (text: string) => T): T | null {
    const text = env[name];
    if (text === undefined) return null;
    try {
      return parse(text);
    } catch (problem) {
      complain(name, typeof problem === 'string' ? problem : 'is malformed');
      return null;
    }
  }

  return {
    problems,
    complain,
    optional,
    required(name, parse) {
      if (env[name] === undefined) complain(name, 'is missing');
      return optional(name, parse) ?? '';
    },
    list: (name, parse) => optional(name, (text) => parseList(text).map(parse)),
    integer: (name, { min, max, otherwise }) =>
      optional(name, (text) => {
        const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
        if (!(value >= min && value <= max)) throw `must be a whole number from ${min} to ${max}`;
        return value;
      }) ?? otherwise,
    oneOf: (name, values, otherwise) =>
      optional(name, (text) => {
        const value = values.find((one) => one === text);
        if (!value) throw `must be one of ${values.join(', ')}`;
        return value;
      }) ?? otherwise,
  };
}

function parseList(text: string): readonly string[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    list = null;
  }
  if (!Array.isArray(list) || !list.every((one) => typeof one === 'string')) {
    throw 'must be a JSON array of strings, such as ["a", "b"]';
  }
  return list;
}
