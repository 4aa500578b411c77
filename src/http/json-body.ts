import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { MIMEType } from 'node:util';
import type { FastifyInstance } from 'fastify';
import { type ErrorCode, PurserError } from '../errors.ts';
import { headerValues } from '../header-values.ts';

/**
 * Makes JSON in UTF-8 the only kind of body. Stricter than Fastify's own parser, which does not
 * look at encodings and puts U+FFFD in the place of bytes that are not UTF-8, so that a text would
 * be stored which nobody sent.
 */
export function acceptOnlyJson(app: FastifyInstance): void {
  // `JSON.parse` makes of "__proto__" a field like any other, which no schema here knows.
  const parse = app.getDefaultJsonParser('ignore', 'ignore');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    (request, body, done) => {
      const problem = problemOf(request.raw, body);
      if (problem) return done(problem);
      // Whether there must be one is for the route's schema to say.
      return body.length === 0 ? done(null) : parse(request, body.toString(), done);
    },
  );
}

/** What keeps a body from being read as JSON in UTF-8. */
function problemOf(request: IncomingMessage, body: Buffer): PurserError | null {
  const { 'transfer-encoding': transfer = 'chunked', 'content-encoding': content = 'identity' } =
    request.headers;
  const [type = '', ...others] = headerValues(request, 'content-type');
  if (others.length > 0) {
    return refusal('invalid_request', 'Send one Content-Type header, not several.');
  }
  if (transfer.toLowerCase() !== 'chunked') {
    return refusal('invalid_request', 'The only Transfer-Encoding that is read here is chunked.');
  }
  if (content.toLowerCase() !== 'identity') {
    return refusal(
      'unsupported_media_type',
      'The body must not be compressed: send it without Content-Encoding.',
    );
  }
  // Parsed only when it says more than almost every client does.
  const charset = type === 'application/json' ? null : new MIMEType(type).params.get('charset');
  if (charset !== null && charset.toLowerCase() !== 'utf-8') {
    return refusal('unsupported_media_type', 'The body must be in UTF-8, and so must its charset.');
  }
  return isUtf8(body) ? null : refusal('invalid_json', 'The body is not UTF-8.');
}

function refusal(code: ErrorCode, message: string): PurserError {
  return new PurserError(code, { message });
}
