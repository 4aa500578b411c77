import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { PurserError } from '../errors.ts';
import { headerValues } from '../header-values.ts';

/**
 * Makes JSON the only kind of body. Stricter than Fastify's own parser, which puts U+FFFD in the
 * place of bytes that are not UTF-8, so that a text would be stored which nobody sent.
 */
export function acceptOnlyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    (request, body, done) => {
      if (headerValues(request.raw, 'content-type').length > 1) {
        return done(refusal('invalid_request', 'Send one Content-Type header, not several.'));
      }
      if (!isUtf8(body)) return done(refusal('invalid_json', 'The body is not UTF-8.'));
      return parse(request, body.toString(), done);
    },
  );
}

function refusal(code: 'invalid_request' | 'invalid_json', message: string): PurserError {
  return new PurserError(code, { message });
}
