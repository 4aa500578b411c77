import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** The parts of an OpenAPI document that answers are checked against. */
interface OpenApi {
  readonly paths?: Readonly<Record<string, unknown>>;
  readonly components?: unknown;
}

interface Given {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: unknown;
  /** What an answer that is not JSON says. */
  readonly text?: string;
}

/** What the published OpenAPI document promises about answers. */
export interface Contract {
  /** How an answer differs from what is promised; nothing is promised about unknown addresses. */
  readonly faults: (method: string, url: string, answer: Given) => readonly string[];
}

/** Answers that depend on the request's bytes or address and not on the operation. */
const OF_ANY_ADDRESS = [404, 405, 417, 431];

export function readContract(document: OpenApi): Contract {
  // OpenAPI 3.1 is JSON Schema 2020-12; `discriminator` and the like are not used.
  const ajv = addFormats.default(new Ajv2020({ strict: false, allErrors: true }));
  ajv.addSchema({ $id: 'api', ...document });

  return {
    faults(method, url, { status, headers, body, text }) {
      const path = pathOf(document, url.split('?')[0] ?? '');
      const operation = at(document.paths, path, method.toLowerCase());
      if (operation === undefined || OF_ANY_ADDRESS.includes(status)) return [];
      const response = at(operation, 'responses', String(status));
      if (response === undefined) return [`${status} is not documented`];
      const types = Object.keys(at(response, 'content') ?? {});
      const type = types.find((one) => headers['content-type']?.startsWith(one));
      if (!type) return [`is not ${types.join(' or ')}`];
      const place = ['paths', path, method.toLowerCase(), 'responses', status, 'content', type];
      const validate = ajv.getSchema(`api#/${[...place, 'schema'].map(escapePointer).join('/')}`);
      if (!validate) return ['has no schema'];
      validate(type === 'application/json' ? body : text);
      return (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message}`);
    },
  };
}

/** The path of the document that an address is one of: itself, or a template such as `/a/{id}`. */
function pathOf(document: OpenApi, address: string): string {
  const parts = address.split('/');
  const isOne = (template: string) => {
    const names = template.split('/');
    return (
      names.length === parts.length &&
      names.every((name, i) => name.startsWith('{') || name === parts[i])
    );
  };
  return Object.keys(document.paths ?? {}).find(isOne) ?? address;
}

/** The member of a JSON value under names, or undefined. */
export function at(value: unknown, ...names: readonly string[]): object | undefined {
  let found = value;
  for (const name of names) found = (found as Record<string, unknown> | undefined)?.[name];
  return found as object | undefined;
}

/** RFC 6901, and percent-encoded because it is part of a URI. */
function escapePointer(name: string | number): string {
  return encodeURIComponent(String(name).replaceAll('~', '~0').replaceAll('/', '~1'));
}
