import { type Static, type TSchema, Type } from 'typebox';
import type { PurserError } from './errors.ts';

/** The shape of every success: `{ data: … }`. */
export const Envelope = <T extends TSchema>(data: T) => Type.Object({ data });

/** The name under which route schemas refer to `ErrorBody`. */
export const ERROR_BODY = 'Error';

/** The shape of every error: a stable code, a sentence, and the id under which the log knows it. */
export const ErrorBody = Type.Object(
  {
    error: Type.Object(
      { code: Type.String(), message: Type.String() },
      { additionalProperties: true },
    ),
    request_id: Type.String(),
  },
  { $id: ERROR_BODY },
);

/** The body of an error response; the cause stays in the log. */
export function errorBody(error: PurserError, requestId: string): Static<typeof ErrorBody> {
  const { code, message, fields } = error;
  return { error: { code, message, ...fields }, request_id: requestId };
}
