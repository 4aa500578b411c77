import pg from 'pg';
import { PurserError } from '../errors.ts';

/** SQLSTATEs that decide what happens next; the rest are bugs. (Postgres manual, appendix A) */
export const SQLSTATE = {
  uniqueViolation: '23505',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  inFailedTransaction: '25P02',
  preparedStatementUnknown: '26000',
  preparedStatementExists: '42P05',
} as const;

/** 08 connection exception, 53 insufficient resources, 57P operator intervention, 58 system error. */
const UNAVAILABLE = /^(08|53|57P|58)/;

/** The SQLSTATE that the server answered with, or null when the error is not the server's. */
export function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null;
}

/** The name of the constraint or unique index that a statement violated, or null. */
export function violatedConstraint(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.constraint ?? null) : null;
}

/** What the driver says, in plain Errors, when a connection is broken, closed or not to be had. */
const CONNECTION_MESSAGES = [
  'Connection terminated',
  'timeout expired',
  'timeout exceeded when trying to connect',
  'Query read timeout',
  'is not queryable',
  'Cannot use a pool after calling end',
];

/** Whether the connection is gone or could not be made; what it was doing may have happened. */
function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof pg.DatabaseError) return false;
  if ('syscall' in error || error instanceof AggregateError) return true;
  return CONNECTION_MESSAGES.some((message) => error.message.includes(message));
}

/** Whether the database is away, going down, or too slow to wait for. */
export function isUnavailable(error: unknown): boolean {
  const state = sqlState(error);
  if (state === null) return isConnectionError(error);
  return UNAVAILABLE.test(state) || state === SQLSTATE.queryCanceled;
}

/** Turns whatever a query threw into an error with a public code. */
export function toPurserError(error: unknown): PurserError {
  if (error instanceof PurserError) return error;
  if (isUnavailable(error)) return new PurserError('database_unavailable', { cause: error });
  if (sqlState(error) === SQLSTATE.lockNotAvailable) {
    return new PurserError('overloaded', { cause: error });
  }
  return new PurserError('internal_error', { cause: error });
}
