import type { FastifyBaseLogger } from 'fastify';

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
