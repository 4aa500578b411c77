import { crc32 } from 'node:zlib';
import pg from 'pg';
import { PurserError } from '../errors.ts';
import { CONNECT_TIMEOUT, types } from './pool.ts';
import { sqlState } from './sqlstate.ts';

/** A query of which the text never changes: it is parsed once per connection under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** One connection of its own, on which statements are sent without waiting for each other. */
export interface Session {
  run<Row extends pg.QueryResultRow>(
    statement: Statement,
    values: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>;
  /** Runs text without parameters, several commands at once if need be. */
  runText(text: string): Promise<pg.QueryResult>;
  /** Breaks the connection at once: whatever is under way rejects. */
  destroy(): void;
  close(): Promise<void>;
}

export interface SessionOptions {
  readonly url: string;
  /** False behind a pooler in transaction mode that knows no prepared statements. */
  readonly prepared: boolean;
}

/**
 * Opens a pipelined connection (pg's `pipeline: true`): BEGIN, lock and load travel together.
 * Never for shared use: a statement behind one that waits for a lock waits too.
 */
export async function openSession({ url, prepared }: SessionOptions): Promise<Session> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    application_name: 'purser lane',
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    pipeline: true,
    types,
  });
  // Every statement under way rejects by itself; the event must only not go unheard.
  client.on('error', () => {});
  await client.connect().catch(rethrow);
  return {
    run: (statement, values) => {
      const { text } = statement;
      const query = { text, values: [...values], ...(prepared && { name: nameOf(statement) }) };
      return client.query(query).catch(rethrow);
    },
    runText: (text) => client.query(text).catch(rethrow),
    destroy: () => client.connection.stream.destroy(),
    close: () => client.end(),
  };
}

const names = new WeakMap<Statement, string>();

/** With a digest of the text: behind a pooler an older release may have used the name before. */
function nameOf(statement: Statement): string {
  const known = names.get(statement);
  if (known !== undefined) return known;
  const name = `${statement.name}_${crc32(statement.text).toString(36)}`;
  names.set(statement, name);
  return name;
}

/**
 * Whatever is neither the server's answer nor a bug means that the connection is lost: a list of
 * what sockets, TLS and the driver may say would never be complete, and a lost connection that is
 * taken for an ordinary error would have its batch carried out twice.
 */
function rethrow(error: unknown): never {
  const known = sqlState(error) !== null || error instanceof RangeError;
  throw known ? error : new PurserError('database_unavailable', { cause: error });
}

/**
 * Waits for everything that was sent together, then returns the results or throws the first
 * error: in a transaction the ones after it (25P02) only say that there was one.
 */
export async function pipelined<T extends readonly unknown[]>(
  sent: {
    [K in keyof T]: Promise<T[K]>;
  },
): Promise<T> {
  const settled = await Promise.allSettled(sent);
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return settled.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never;
}
