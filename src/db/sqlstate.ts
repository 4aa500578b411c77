import pg from 'pg';
import { PurserError } from '../errors.ts';

/** SQLSTATEs that decide what happens next; the rest are bugs. (Postgres manual, appendix A) */
export const SQLSTATE = {
  uniqueViolation: '23505',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  preparedStatementUnknown: '26000',
  preparedStatementExists: '42P05',
} as const;

/**
 * 08 connection exception, 28 invalid authorization, 3D no such database, 53 insufficient
 * resources, 57 operator intervention (a statement that took too long included), 58 system error,
 * 25006 read-only: a standby, or a provider that has run out of disk.
 */
const UNAVAILABLE = /^(08|28|3D|53|57|58|25006)/;

/** 22 data exception, 23 constraint violation, 54 program limit: one command's own fault. */
const CULPABLE = /^(22|23|54)/;

/** Somebody else was in the way: what was not carried out may well be, a moment later. */
const PASSING: ReadonlySet<string> = new Set([
  SQLSTATE.lockNotAvailable,
  SQLSTATE.serializationFailure,
  SQLSTATE.deadlockDetected,
  SQLSTATE.uniqueViolation,
  SQLSTATE.preparedStatementUnknown,
  SQLSTATE.preparedStatementExists,
]);

/** The SQLSTATE that the server answered with, or null when the error is not the server's. */
export function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null;
}

/** The name of the constraint or unique index that a statement violated, or null. */
export function violatedConstraint(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.constraint ?? null) : null;
}

/** What the pool says when none of its connections became free in time. */
const POOL_IS_BUSY = 'timeout exceeded when trying to connect';

/** What the driver says in Errors without a code when a connection is broken or not to be had. */
const CONNECTION_MESSAGES = [
  'Connection terminated',
  'timeout expired',
  POOL_IS_BUSY,
  'Query read timeout',
  'is not queryable',
  'SSL connection',
  'Cannot use a pool after calling end',
];

/** Whether the connection is gone or could not be made. Sockets and TLS give their errors a code. */
function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof pg.DatabaseError) return false;
  if (error instanceof PurserError) return error.code === 'database_unavailable';
  if ('code' in error || error instanceof AggregateError) return true;
  return CONNECTION_MESSAGES.some((message) => error.message.includes(message));
}

/** Whether the database is away, going down, read-only, or too slow to wait for. */
export function isUnavailable(error: unknown): boolean {
  const state = sqlState(error);
  return state === null ? isConnectionError(error) : UNAVAILABLE.test(state);
}

/**
 * Whether a transaction that failed like this while it was committed may have taken effect: the
 * connection is lost, or the server was told to end it.
 */
export function mayHaveHappened(error: unknown): boolean {
  const state = sqlState(error);
  return state === null ? isConnectionError(error) : /^(08|57)/.test(state);
}

/** Whether trying again, at once, may help. */
export function isPassing(error: unknown): boolean {
  return PASSING.has(sqlState(error) ?? '');
}

/** Whether one command of a batch may be to blame, rather than the database or all of them. */
export function isCulpable(error: unknown): boolean {
  const state = sqlState(error);
  return state === null || CULPABLE.test(state);
}

/** Turns whatever a query threw into an error with a public code. */
export function toPurserError(error: unknown): PurserError {
  if (error instanceof PurserError) return error;
  if (error instanceof Error && error.message === POOL_IS_BUSY) {
    return new PurserError('overloaded', { cause: error });
  }
  if (isUnavailable(error)) return new PurserError('database_unavailable', { cause: error });
  if (isPassing(error)) return new PurserError('overloaded', { cause: error });
  return new PurserError('internal_error', { cause: error });
}
