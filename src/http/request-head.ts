import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { PurserError } from '../errors.ts';
import { headerValues } from '../header-values.ts';
import { refuseConnect } from './client-error.ts';

/** Answers with an envelope what Node by itself answers with an empty body or with nothing. */
export function checkHeads(app: FastifyInstance): void {
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    checkHost(raw);
    const { expect } = raw.headers;
    if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
      throw new PurserError('expectation_failed');
    }
    done();
  });
  app.server.on('checkExpectation', app.routing);
  app.server.on('connect', refuseConnect);
}

/** RFC 9112, section 3.2: exactly one Host; HTTP/1.0 came before it. */
function checkHost(request: IncomingMessage): void {
  const { length } = headerValues(request, 'host');
  if (length === 1 || (length === 0 && request.httpVersion === '1.0')) return;
  throw new PurserError('invalid_request', {
    message: length === 0 ? 'The Host header is missing.' : 'Send one Host header, not several.',
  });
}
