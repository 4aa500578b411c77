import { Ajv, type ErrorObject } from 'ajv';
import addFormats from 'ajv-formats';
import type { FastifySchemaCompiler } from 'fastify';
import { PurserError } from '../errors.ts';
import { PATTERNS } from './schemas.ts';

/** Nothing is coerced: "5" is not 5 in a body, and `1e2` is no number in an address. */
const ajv = addFormats.default(
  new Ajv({ removeAdditional: false, useDefaults: true, coerceTypes: false, verbose: true }),
);
const isRfc3339 = addFormats.default(new Ajv()).compile({ type: 'string', format: 'date-time' });
// What else the format knows, leap seconds and zones without minutes, no clock here does.
ajv.addFormat('date-time', (text) => isRfc3339(text) && !Number.isNaN(Date.parse(text)));

/** Compiles a route's JSON Schema. Unknown fields are refused by the schemas, never dropped. */
export const compileValidator: FastifySchemaCompiler<object> = ({ schema, httpPart }) => {
  const validate = ajv.compile(schema);
  if (httpPart === 'body') return validate;
  const readers = readersOf(schema);
  return (texts: Texts) => {
    const value = readers.length === 0 ? texts : fromTexts(texts, readers);
    return validate(value) ? { value } : { error: validate.errors ?? [] };
  };
};

type Texts = Readonly<Record<string, unknown>>;
type Reader = readonly [name: string, read: (text: string) => unknown];

/**
 * Addresses and headers are text: where a whole number belongs, decimal digits are read as one, and
 * where a list belongs, a parameter that is sent once is a list of one.
 */
function readersOf(schema: object): readonly Reader[] {
  const { properties = {} } = schema as { properties?: Record<string, { type?: unknown }> };
  return Object.entries(properties).flatMap(([name, { type }]): readonly Reader[] => {
    if (type === 'array') return [[name, (text) => [text]]];
    if (type !== 'integer') return [];
    return [[name, (text) => (/^-?[0-9]+$/.test(text) ? Number(text) : text)]];
  });
}

function fromTexts(texts: Texts, readers: readonly Reader[]): Texts {
  const value: Record<string, unknown> = { ...texts };
  for (const [name, read] of readers) {
    const text = value[name];
    if (typeof text === 'string') value[name] = read(text);
  }
  return value;
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
  null: 'null',
  object: 'a JSON object',
  string: 'a string',
};

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': 'a moment such as 2027-01-31T00:00:00Z',
  uuid: 'a UUID such as 0b5c8f0e-3d5e-4c57-9a53-7f1e2d6c4b8a',
};

/** The most of an unknown field's name that is said back, in characters. */
const MAX_NAME = 100;

/** The error for the first rule that a part of a request breaks, in words that help. */
export function validationError(errors: readonly ErrorObject[], context: string): PurserError {
  const [part, kind] = PARTS[context] ?? ['request', 'field'];
  // Where there are alternatives: what is wrong with the one of the value's type, or that none is.
  const alternatives = errors.some(({ keyword }) => keyword === 'anyOf');
  const first = alternatives ? errors.find(({ keyword }) => keyword !== 'type') : errors[0];
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
    case 'anyOf': {
      const types = (schema as readonly { readonly type?: string }[]).map(({ type = '' }) => type);
      if (types.includes('null')) return `must be ${types.map((type) => TYPES[type]).join(' or ')}`;
      // Else only quantities are either.
      const decimal = typeof data === 'number' && /^[0-9.]+$/.test(`${data}`) ? data : '0.25';
      return `must be a whole number, or a decimal as a text: "${decimal}"`;
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
    // Only where a request without fields would say nothing.
    case 'minProperties':
      return `must not be empty; ${namesOf(parentSchema?.['properties'])}`;
    case 'maxProperties':
      return `must have at most ${params['limit']} fields`;
    case 'enum':
      return `must be one of ${(schema as readonly unknown[]).join(', ')}`;
    case 'uniqueItems':
      return 'must not name anything twice';
    case 'format':
      return `must be ${FORMATS[params['format']] ?? `of the format ${params['format']}`}`;
    case 'const':
      return `must be ${JSON.stringify(params['allowedValue'])}`;
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
