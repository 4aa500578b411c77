import pg from 'pg';
import { cancelQuery } from './cancel.ts';

/** Parses the driver's text form of a bigint; beyond 2^53 - 1 a number would not be exact. */
function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is not a safe integer`);
  return value;
}

/** How a connection reads values: bigint as a safe integer instead of a text. */
export const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 && format !== 'binary'
      ? parseBigint
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/** How long to wait for a connection, and for one answer on it, in milliseconds. */
export const CONNECT_TIMEOUT = 2_000;
const QUERY_TIMEOUT = 2_000;
/** How long a server may take to give up a query, in milliseconds; then the connection is cut. */
const CANCEL_PATIENCE = 500;
/** Asked again after this: a pooler forgets the wish when the query still waits for its turn. */
const CANCEL_INTERVAL = 200;

export interface PoolOptions {
  readonly url: string;
  /** The most connections at once; further queries wait, at most `CONNECT_TIMEOUT`. */
  readonly size: number;
  /** How long a query, or the transaction of one check-out, may take, in milliseconds. */
  readonly queryTimeout?: number;
  /** Told of errors on idle connections: the pool replaces them by itself. */
  readonly onError: (error: Error) => void;
}

/**
 * The shared connections for everything but the lanes: reads, the inbox, migrations. What takes too
 * long is cancelled on the server: a statement_timeout would have to be set in a trip of its own,
 * or as a start-up parameter, which poolers in transaction mode refuse.
 */
export function createPool({
  url,
  size,
  queryTimeout = QUERY_TIMEOUT,
  onError,
}: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    query_timeout: queryTimeout + CANCEL_PATIENCE,
    keepAlive: true,
    idleTimeoutMillis: 30_000,
    application_name: 'purser',
    types,
  });
  const overdue = new WeakMap<pg.PoolClient, NodeJS.Timeout>();
  const cancelIn = (ms: number, client: pg.PoolClient) => {
    const cancel = () => {
      cancelQuery(client);
      cancelIn(CANCEL_INTERVAL, client);
    };
    overdue.set(client, setTimeout(cancel, ms));
  };
  // What a connection was doing rejects by itself when it breaks. But it says so by an event, too,
  // which the pool hears only of idle ones; unheard it would end the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  pool.on('acquire', (client) => cancelIn(queryTimeout, client));
  pool.on('release', (_error, client) => clearTimeout(overdue.get(client)));
  pool.on('error', (error) => onError(withoutClient(error)));
  return pool;
}

/** The pool hangs the whole connection onto its errors, which a log would print with its keys. */
function withoutClient(error: Error): Error {
  Reflect.deleteProperty(error, 'client');
  return error;
}
