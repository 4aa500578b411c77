import { Ajv, type ErrorObject } from 'ajv';
import addFormats from 'ajv-formats';
import type { FastifySchemaCompiler } from 'fastify';
import { PurserError } from '../errors.ts';

const strict = { removeAdditional: false, useDefaults: true, allErrors: false } as const;

/** Bodies are taken as they are: "5" is not 5. */
const bodies = addFormats.default(new Ajv({ ...strict, coerceTypes: false }));
/** Addresses and headers are text, so that a number in them has to be read as one. */
const texts = addFormats.default(new Ajv({ ...strict, coerceTypes: true }));

/** Compiles a route's JSON Schema. Unknown fields are refused by the schemas, never dropped. */
export const compileValidator: FastifySchemaCompiler<object> = ({ schema, httpPart }) =>
  (httpPart === 'body' ? bodies : texts).compile(schema);

/** The error for the first rule that a part of a request breaks, in words that help. */
export function validationError(errors: readonly ErrorObject[], part: string): PurserError {
  const [first] = errors;
  const field = first ? fieldOf(first) : '';
  const place = field ? `${part}.${field}` : part;
  return new PurserError('invalid_request', {
    message: first ? `${place} ${complaint(first)}.` : `The ${part} is not valid.`,
    fields: field ? { field } : {},
  });
}

function fieldOf({ instancePath, params }: ErrorObject): string {
  const named = params['missingProperty'] ?? params['additionalProperty'];
  return [...instancePath.split('/').slice(1), ...(named ? [String(named)] : [])].join('.');
}

function complaint({ keyword, message, params }: ErrorObject): string {
  switch (keyword) {
    case 'required':
      return 'is missing';
    case 'additionalProperties':
      return 'is not a known field';
    case 'pattern':
      return 'has characters that are not allowed here';
    case 'type':
      return `must be ${params['type'] === 'integer' ? 'a whole number' : `of type ${params['type']}`}`;
    default:
      return message ?? 'is not valid';
  }
}
