import pg from 'pg';
import { CONNECT_TIMEOUT, types } from './pool.ts';

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
    pipeline: true,
    types,
  });
  // Every statement under way rejects by itself; the event must only not go unheard.
  client.on('error', () => {});
  await client.connect();
  return {
    run: ({ name, text }, values) =>
      client.query(prepared ? { name, text, values: [...values] } : { text, values: [...values] }),
    runText: (text) => client.query(text),
    destroy: () => client.connection.stream.destroy(),
    close: () => client.end(),
  };
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
