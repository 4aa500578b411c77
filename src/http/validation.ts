import { Ajv, type ErrorObject } from 'ajv';
import addFormats from 'ajv-formats';
import type { FastifySchemaCompiler } from 'fastify';
import { PurserError } from '../errors.ts';
import { PATTERNS } from './schemas.ts';

/** Nothing is coerced: "5" is not 5 in a body, and `1e2` is no number in an address. */
const ajv = addFormats.default(
  new Ajv({ removeAdditional: false, useDefaults: true, coerceTypes: false, verbose: true }),
);

/** Compiles a route's JSON Schema. Unknown fields are refused by the schemas, never dropped. */
export const compileValidator: FastifySchemaCompiler<object> = ({ schema, httpPart }) => {
  const validate = ajv.compile(schema);
  if (httpPart === 'body') return validate;
  return (texts: Readonly<Record<string, unknown>>) => {
    const value = withNumbers(texts, schema);
    return validate(value) ? { value } : { error: validate.errors ?? [] };
  };
};

/** Addresses and headers are text: where a whole number belongs, decimal digits are read as one. */
function withNumbers(texts: Readonly<Record<string, unknown>>, schema: object) {
  const { properties = {} } = schema as { properties?: Record<string, { type?: unknown }> };
  const read = ([name, text]: [string, unknown]) => {
    const isNumber = Object.hasOwn(properties, name) && properties[name]?.type === 'integer';
    const isWhole = isNumber && typeof text === 'string' && /^-?[0-9]+$/.test(text);
    return [name, isWhole ? Number(text) : text];
  };
  return Object.fromEntries(Object.entries(texts).map(read));
}

/** What the parts of a request, and the fields in them, are called by those who send them. */
const PARTS: Readonly<Record<string, readonly [part: string, field: string]>> = {
  body: ['body', 'field'],
  querystring: ['query', 'query parameter'],
  params: ['path', 'path parameter'],
  headers: ['headers', 'header'],
};

const TYPES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'a whole number',
  object: 'a JSON object',
  string: 'a string',
};

/** The most of an unknown field's name that is said back, in characters. */
const MAX_NAME = 100;

/** The error for the first rule that a part of a request breaks, in words that help. */
export function validationError(errors: readonly ErrorObject[], context: string): PurserError {
  const [part, kind] = PARTS[context] ?? ['request', 'field'];
  const [first] = errors;
  const field = first ? fieldOf(first) : null;
  const place = field === null ? `The ${part}` : `The ${kind} \`${field}\``;
  return new PurserError('invalid_request', {
    message: `${place} ${first ? complaint(first) : 'is not valid'}.`,
    fields: field === null ? {} : { field },
  });
}

/** The name of the field that an error is about, with those around it; null for the whole part. */
function fieldOf({ instancePath, params }: ErrorObject): string | null {
  const named: unknown = params['missingProperty'] ?? params['additionalProperty'];
  const path = [...instancePath.split('/').slice(1), ...(typeof named === 'string' ? [named] : [])];
  return path.length === 0 ? null : path.join('.').slice(0, MAX_NAME);
}

function complaint({ keyword, message, params, data, schema, parentSchema }: ErrorObject): string {
  switch (keyword) {
    case 'required':
      return 'is missing';
    case 'additionalProperties':
      return `is not known here; ${namesOf(parentSchema?.['properties'])}`;
    case 'type': {
      const type = TYPES[params['type']] ?? `of type ${params['type']}`;
      return Array.isArray(data) ? `must be ${type}, not a list` : `must be ${type}`;
    }
    case 'minimum':
      return `must be at least ${params['limit']}`;
    case 'maximum':
      return `must be at most ${params['limit']}`;
    case 'minLength':
    case 'minItems':
      return 'must not be empty';
    case 'maxLength':
      return `must have at most ${params['limit']} characters`;
    case 'maxProperties':
      return `must have at most ${params['limit']} fields`;
    case 'format':
      return 'must be a moment such as 2027-01-31T00:00:00Z';
    case 'maxItems':
      return `must have at most ${params['limit']} items`;
    case 'pattern':
      return PATTERNS[String(schema)] ?? 'has characters that are not allowed here';
    default:
      return message ?? 'is not valid';
  }
}

const LIST = new Intl.ListFormat('en-GB', { type: 'conjunction' });

function namesOf(properties: object | undefined): string {
  const names = Object.keys(properties ?? {}).map((name) => `\`${name}\``);
  return names.length === 0 ? 'none is' : `known are ${LIST.format(names)}`;
}
