import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
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
  refuse(socket, toPurserError(error));
}

/** Answers a CONNECT, which Node hands over with the bare connection, and closes it. */
export function refuseConnect(_request: IncomingMessage, stream: Duplex): void {
  const socket = stream as Connection;
  // Node has let go of the connection, so that nobody else would notice its end.
  socket.on('error', () => socket.destroy()).once('finish', () => socket.destroy());
  const message = 'CONNECT is for proxies; this server is none.';
  refuse(socket, new PurserError('method_not_allowed', { message, headers: { allow: '' } }));
}

/** Writes an error to a connection that has no response of its own for it, and ends it. */
function refuse(socket: Connection, error: PurserError): void {
  const owed = socket._httpMessage;
  if (owed?.headersSent) return void socket.destroySoon();
  // After a whole request its own answer must arrive, or a debit would look refused.
  if (owed?.req.complete) return void owed.setHeader('connection', 'close');
  const requestId = newRequestId();
  const body = JSON.stringify(errorBody(error, requestId));
  const own = Object.entries(error.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${own.join('')}` +
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
