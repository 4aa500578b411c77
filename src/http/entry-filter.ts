import { type Static, Type } from 'typebox';
import { PurserError } from '../errors.ts';
import type { EntryFilter } from '../ledger/read/statement.ts';
import { READABLE } from '../operation.ts';
import { Kind } from './schemas.ts';

const text = (maxLength: number, description: string) =>
  Type.Optional(Type.String({ maxLength, pattern: READABLE, description }));

const moment = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2027-01-31T00:00:00Z'] });

export const From = moment('Not before this moment (RFC 3339).');
export const To = moment('Before this moment (RFC 3339).');

/** The query parameters that choose entries of a statement. */
export const filterFields = {
  kind: Type.Optional(
    Type.Array(Kind, {
      minItems: 1,
      uniqueItems: true,
      description: 'What the entries did; repeat it for several kinds: kind=debit&kind=capture.',
    }),
  ),
  reason: text(1000, 'Exactly this reason.'),
  ref: text(255, 'Exactly this ref.'),
  operation: text(100, 'What of the price list a debit or a hold was for.'),
  hold_id: text(255, 'The entries that open and end this hold.'),
  from: Type.Optional(From),
  to: Type.Optional(To),
};

const Query = Type.Object(filterFields);

/** Throws `invalid_request` when there is no time between them. */
export function toFilter(query: Static<typeof Query>): EntryFilter {
  const {
    kind = null,
    reason = null,
    ref = null,
    operation = null,
    hold_id: holdId = null,
  } = query;
  const { from, to } = query;
  const span = {
    from: from === undefined ? null : Date.parse(from),
    to: to === undefined ? null : Date.parse(to),
  };
  if (span.from !== null && span.to !== null) checkSpan(span.from, span.to);
  return { kinds: kind, reason, ref, operation, holdId, ...span };
}

/** The moments between which something is asked for, in milliseconds since 1970. */
export function readSpan({ from, to }: { readonly from: string; readonly to: string }) {
  const span = { from: Date.parse(from), to: Date.parse(to) };
  checkSpan(span.from, span.to);
  return span;
}

function checkSpan(from: number, to: number): void {
  if (from >= to) throw invalidParameter('to', 'must be later than `from`');
}

/** The refusal of a query parameter for what its schema cannot say. */
export function invalidParameter(field: string, problem: string): PurserError {
  const message = `The query parameter \`${field}\` ${problem}.`;
  return new PurserError('invalid_request', { message, fields: { field } });
}
