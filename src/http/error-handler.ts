import type { Socket } from 'node:net';
import type { ErrorObject } from 'ajv';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { toPurserError } from '../db/sqlstate.ts';
import { errorBody } from '../envelope.ts';
import { type ErrorCode, PurserError } from '../errors.ts';
import { newRequestId } from '../request-id.ts';
import { validationError } from './validation.ts';

/** What Fastify's own errors are called here. */
const FASTIFY_ERRORS: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_MAX_PARAM_LENGTH: 'uri_too_long',
};

/** Answers any error with its envelope; what the caller must not see goes to the log. */
export function handleError(
  error: FastifyError | PurserError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known = translate(error);
  const level = known.status >= 500 ? 'error' : known.status === 401 ? 'info' : 'debug';
  request.log[level]({ err: known.cause ?? known, code: known.code }, known.message);
  return reply
    .code(known.status)
    .headers(known.headers)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(errorBody(known, request.id)));
}

function translate(error: FastifyError | PurserError): PurserError {
  if (error instanceof PurserError) return error;
  if (error.validation) {
    return validationError(error.validation as ErrorObject[], error.validationContext ?? 'request');
  }
  const code = FASTIFY_ERRORS[error.code];
  if (code) return new PurserError(code, { cause: error });
  if (error.statusCode && error.statusCode >= 400 && error.statusCode < 500) {
    return new PurserError('invalid_request', { cause: error });
  }
  return toPurserError(error);
}

/** Node's errors for requests that are not HTTP at all, so that no handler ever sees them. */
const PARSER_ERRORS: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
};

/** Answers what Node's HTTP parser refuses, and closes the connection. */
export function handleClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const known = new PurserError(PARSER_ERRORS[error.code ?? ''] ?? 'invalid_request');
  const body = JSON.stringify(errorBody(known, newRequestId()));
  socket.end(
    `HTTP/1.1 ${known.status} Bad Request\r\n` +
      'content-type: application/json; charset=utf-8\r\n' +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
