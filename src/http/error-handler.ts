import type { ErrorObject } from 'ajv';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { toPurserError } from '../db/sqlstate.ts';
import { errorBody } from '../envelope.ts';
import { type ErrorCode, PurserError } from '../errors.ts';
import { validationError } from './validation.ts';

/** What Fastify's own errors are called here, and what is said where the code's sentence is vague. */
const FASTIFY_ERRORS: Readonly<Record<string, readonly [code: ErrorCode, message?: string]>> = {
  FST_ERR_BAD_URL: ['invalid_request', 'The address is not percent-encoded UTF-8.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'invalid_request',
    'The body is not as long as Content-Length says.',
  ],
  FST_ERR_CTP_INVALID_JSON_BODY: ['invalid_json'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type'],
};

/** Answers any error with its envelope; what the caller must not see goes to the log. */
export function handleError(
  error: FastifyError | PurserError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known = translate(error, request);
  const level = known.status >= 500 ? 'error' : REFUSED.has(known.status) ? 'info' : 'debug';
  request.log[level]({ code: known.code, ...reasonOf(known) }, known.message);
  return reply
    .code(known.status)
    .headers({ ...known.headers, 'x-request-id': request.id })
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(errorBody(known, request.id)));
}

/** Who was refused and why is for the operator to see; other mistakes are the callers' own. */
const REFUSED: ReadonlySet<number> = new Set([401, 403]);

/** A stack only where there is a bug to find: in an outage every request would log one. */
function reasonOf({ status, cause }: PurserError): { err?: unknown; reason?: string } {
  if (status === 500) return { err: cause };
  return cause instanceof Error ? { reason: cause.message } : {};
}

function translate(error: FastifyError | PurserError, request: FastifyRequest): PurserError {
  if (error instanceof PurserError) return error;
  if (error.validation) {
    const { validationContext: part = 'request' } = error;
    if (part === 'body' && request.body === undefined && request.headers['content-type']) {
      return new PurserError('invalid_json', { message: 'The body is empty; send a JSON object.' });
    }
    return validationError(error.validation as ErrorObject[], part);
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const message = `The body is larger than ${request.routeOptions.bodyLimit / 1024} KiB.`;
    return new PurserError('payload_too_large', { message, cause: error });
  }
  const [code, message] = FASTIFY_ERRORS[error.code] ?? [];
  if (code) return new PurserError(code, { ...(message && { message }), cause: error });
  if (error.statusCode && error.statusCode >= 400 && error.statusCode < 500) {
    return new PurserError('invalid_request', { cause: error });
  }
  return toPurserError(error);
}
