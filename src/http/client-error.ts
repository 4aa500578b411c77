import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody } from '../envelope.ts';
import { type ErrorCode, PurserError } from '../errors.ts';
import { newRequestId } from '../request-id.ts';

/** What the errors are called here that Node has with requests before any handler sees them. */
const PARSER_ERRORS: Readonly<Record<string, ErrorCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'payload_too_large',
};

/** The response that a connection is waiting for; Node has no public name for it. */
interface Connection extends Socket {
  readonly _httpMessage?: ServerResponse | null;
}

/** Answers what Node's HTTP parser refuses, and closes the connection. */
export function handleClientError(error: Error & { code?: string }, socket: Connection): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const owed = socket._httpMessage;
  if (owed?.headersSent) return void socket.destroySoon();
  // Garbage after a whole request: its own answer must arrive, or a debit would look refused.
  if (owed?.req.complete) return void owed.setHeader('connection', 'close');
  const known = toPurserError(error);
  const requestId = newRequestId();
  const body = JSON.stringify(errorBody(known, requestId));
  socket.end(
    `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status]}\r\n` +
      'content-type: application/json; charset=utf-8\r\n' +
      `content-length: ${Buffer.byteLength(body)}\r\n` +
      `x-request-id: ${requestId}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n${body}`,
  );
}

function toPurserError({ code = '' }: { code?: string }): PurserError {
  const known = PARSER_ERRORS[code];
  return known
    ? new PurserError(known)
    : new PurserError('invalid_request', { message: 'This is not a valid HTTP request.' });
}
