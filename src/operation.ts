import type { FastifyRequest, preValidationHookHandler } from 'fastify';
import { Type } from 'typebox';
import { ERROR_BODY } from './envelope.ts';
import { PurserError } from './errors.ts';
import { headerValues } from './header-values.ts';

/**
 * Text that Postgres can store and a person can read: no NUL or other control characters but line
 * breaks and tabs, no lone surrogates (the `u` flag reads a pair as one character).
 */
export const READABLE = '^[^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F\\uD800-\\uDFFF]*$';
/**
 * What a user id may be, whoever names the user: no control characters, no edge spaces and no
 * halves of surrogate pairs, so that every store and log keeps it unchanged.
 */
export const USER_ID = '^(?!\\s)[^\\p{Cc}\\p{Cs}]*(?<!\\s)$';
/** The same for what has a place in an address, where clients take `.` and `..` for steps. */
export const ID_IN_PATH = USER_ID.replace('^', '^(?!\\.{1,2}$)');
export const PRINTABLE_ASCII = '^[\\x20-\\x7E]+$';
const POSITION = '^[1-9][0-9]{0,14}$';

/** What is wrong with a text that a pattern does not match, to be read after the field's name. */
export const TEXT_PATTERNS: Readonly<Record<string, string>> = {
  [READABLE]: 'must hold no control characters and no halves of surrogate pairs',
  [ID_IN_PATH]:
    'must not be . or .., nor hold control characters, edge spaces or halves of surrogate pairs',
  [PRINTABLE_ASCII]: 'must hold only printable ASCII characters',
  [POSITION]: 'must be the next_cursor of the page before',
};

/** The path of what is about one user. */
export const UserPath = Type.Object({
  user_id: Type.String({
    minLength: 1,
    maxLength: 255,
    pattern: ID_IN_PATH,
    description: 'The user’s id as session tokens say it, percent-encoded.',
  }),
});

/** Where a list goes on. */
export const Cursor = Type.String({
  pattern: POSITION,
  description: 'The next_cursor of the page before.',
});
/** Null at the end of a list. */
export const NextCursor = Type.Union([Type.String(), Type.Null()]);

/** For routes without query parameters: one that is sent was meant for something. */
export const NoQuery = Type.Object({}, { additionalProperties: false });

export const credits = (description: string) => Type.Integer({ description });

/** What every answer holds that tells a balance. */
export const balanceFields = {
  balance: credits('What the account holds, reserved credits included.'),
  available: credits('What can be spent now.'),
  held: credits('What open holds reserve.'),
};

/** One of an operation's errors, with what it means there. */
export const error = (description: string) => ({ ...Type.Ref(ERROR_BODY), description });

/** What every route answers when something is wrong with the request or with us. */
export const commonErrors = {
  400: error('The request is not valid; the message says what is wrong.'),
  500: error('Something failed on our side.'),
  503: error('The database is away or too much is waiting; retry as Retry-After says.'),
};

/** What a route behind the guard answers beside `commonErrors`. */
export const guardedErrors = {
  ...commonErrors,
  401: error('No valid Bearer token.'),
  403: error('The token or key may not do that.'),
  429: error('Too many requests; wait as long as Retry-After says.'),
};

/** What a route that takes a body answers beside `guardedErrors`. */
export const bodyErrors = {
  ...guardedErrors,
  413: error('The body is too large.'),
  415: error('The body is not application/json.'),
};

export const conflictError = error('The Idempotency-Key was used for another request.');

/** What is sent was meant for something. */
export function refuseBody(body: unknown): void {
  const isEmpty = typeof body === 'object' && body !== null && Object.keys(body).length === 0;
  if (body === undefined || (isEmpty && !Array.isArray(body))) return;
  throw new PurserError('invalid_request', { message: 'No body is expected here.' });
}

/** For routes whose fields are all optional: what is left out says as much as an empty object. */
export const allowNoBody: preValidationHookHandler = (request, _reply, done) => {
  if (request.body === undefined) request.body = {};
  done();
};

/** @param description what repeats of a request with the same key get, and for how long */
export const idempotencyHeaders = (description: string) =>
  Type.Object({
    'idempotency-key': Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, pattern: PRINTABLE_ASCII, description }),
    ),
  });

/** The one Idempotency-Key; Node joins several with a comma, which would be a key of its own. */
export function idempotencyKey(request: Pick<FastifyRequest, 'raw'>): string | null {
  const keys = headerValues(request.raw, 'idempotency-key');
  if (keys.length > 1) {
    throw new PurserError('invalid_request', {
      message: 'Send one Idempotency-Key header, not several.',
    });
  }
  return keys[0] ?? null;
}
