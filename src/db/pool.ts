import pg from 'pg';

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
const QUERY_TIMEOUT = 2_500;

export interface PoolOptions {
  readonly url: string;
  /** The most connections at once; further queries wait, at most `CONNECT_TIMEOUT`. */
  readonly size: number;
  /** How long one answer may take, in milliseconds. */
  readonly queryTimeout?: number;
  /** Told of errors on idle connections: the pool replaces them by itself. */
  readonly onError: (error: Error) => void;
}

/** The shared connections for everything but the lanes: reads, the inbox, migrations. */
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
    query_timeout: queryTimeout,
    keepAlive: true,
    idleTimeoutMillis: 30_000,
    application_name: 'purser',
    types,
  });
  pool.on('error', onError);
  return pool;
}
