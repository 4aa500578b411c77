import type { FastifyBaseLogger } from 'fastify';
import type { LoggerOptions } from 'pino';

/** A service key, and how it begins: that much may be shown. */
const SERVICE_KEY = /(purser_sk_[\w-]{8})[\w-]+/g;

/**
 * How every log is made: wherever somebody has put a service key, such as into an address, a line
 * holds only how it begins.
 */
export function logOptions(level: string): LoggerOptions {
  const hideKeys = (line: string) => line.replace(SERVICE_KEY, '$1…');
  return { level, hooks: { streamWrite: hideKeys } };
}

/**
 * A log whose errors say what they are and where they come from, and no more. What Postgres adds
 * to its own (`detail`, `where` and others) quotes rows, and so what customers wrote.
 * @param isOutage whether an error is no bug, so that its stack would tell nothing
 */
export function withPlainErrors(
  log: FastifyBaseLogger,
  isOutage: (error: unknown) => boolean,
): FastifyBaseLogger {
  function describeError(error: unknown): unknown {
    if (!(error instanceof Error)) return { message: String(error) };
    const { name, message, stack, cause } = error;
    return {
      type: name,
      message,
      ...('code' in error && { code: error.code }),
      ...(!isOutage(error) && { stack }),
      ...(cause !== undefined && { cause: describeError(cause) }),
    };
  }

  return log.child({}, { serializers: { err: describeError } });
}
