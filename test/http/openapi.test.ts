import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { at, readContract } from '../support/api-contract.ts';
import { startTestApp, type TestApp } from '../support/app.ts';

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required?: boolean };
  readonly responses: Readonly<Record<string, object>>;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: object;
}

let api: TestApp;
// biome-ignore lint/suspicious/noExplicitAny: a document as anybody reads it, from JSON
let document: any;
beforeAll(async () => {
  api = await startTestApp();
  document = (await api.call('GET', '/openapi.json')).body;
});
afterAll(() => api.close());

const GUARDED = [400, 401, 403, 429, 500, 503];
const SPENDING = [...GUARDED, 402, 409, 413, 415, 422];
const ENDING = [...GUARDED, 404, 409, 413, 415];
const REVOKING = [...GUARDED, 413, 415];
const SHOPPING = [...GUARDED, 413, 415, 502];
const NAMING = [...GUARDED, 404, 413, 415];
const ENDPOINTS = '/api/v1/webhook-endpoints';
const ENDPOINT = `${ENDPOINTS}/{endpoint_id}`;
const OPERATIONS: readonly (readonly [string, string, string, readonly number[]])[] = [
  ['get', '/livez', 'livez', []],
  ['get', '/healthz', 'healthz', [503]],
  ['get', '/metrics', 'metrics', GUARDED],
  ['get', '/api/v1/packs', 'listPacks', [400, 500, 503]],
  ['get', '/api/v1/operations', 'listOperations', [400, 500, 503]],
  ['get', '/api/v1/me/hello', 'hello', GUARDED],
  ['get', '/api/v1/me/credits', 'getCredits', GUARDED],
  ['get', '/api/v1/me/credits/stream', 'streamCredits', GUARDED],
  ['get', '/api/v1/me/credits/entries', 'listEntries', GUARDED],
  ['get', '/api/v1/me/credits/entries/export', 'exportEntries', GUARDED],
  ['get', '/api/v1/me/credits/usage', 'getUsage', GUARDED],
  ['post', '/api/v1/credits/debit', 'debit', SPENDING],
  ['post', '/api/v1/use-credits', 'useCredits', SPENDING],
  ['post', '/api/v1/credits/check', 'checkCredits', [...GUARDED, 413, 415, 422]],
  ['get', '/api/v1/users/{user_id}/credits', 'getCreditsForUser', GUARDED],
  ['get', '/api/v1/users/{user_id}/credits/stream', 'streamCreditsForUser', GUARDED],
  ['get', '/api/v1/users/{user_id}/credits/entries', 'listEntriesForUser', GUARDED],
  ['get', '/api/v1/users/{user_id}/credits/entries/export', 'exportEntriesForUser', GUARDED],
  ['get', '/api/v1/users/{user_id}/credits/usage', 'getUsageForUser', GUARDED],
  ['post', '/api/v1/users/{user_id}/credits/debit', 'debitForUser', SPENDING],
  ['post', '/api/v1/users/{user_id}/use-credits', 'useCreditsForUser', SPENDING],
  [
    'post',
    '/api/v1/users/{user_id}/credits/check',
    'checkCreditsForUser',
    [...GUARDED, 413, 415, 422],
  ],
  ['post', '/api/v1/users/{user_id}/holds', 'openHoldForUser', SPENDING],
  ['get', '/api/v1/users/{user_id}/holds', 'listHoldsForUser', GUARDED],
  ['get', '/api/v1/users/{user_id}/holds/{hold_id}', 'getHoldForUser', [...GUARDED, 404]],
  [
    'post',
    '/api/v1/users/{user_id}/holds/{hold_id}/capture',
    'captureHoldForUser',
    [...ENDING, 402],
  ],
  ['post', '/api/v1/users/{user_id}/holds/{hold_id}/release', 'releaseHoldForUser', ENDING],
  ['post', '/api/v1/users/{user_id}/reversals', 'reverseForUser', ENDING],
  ['post', '/api/v1/debits/batch', 'debitBatch', [...GUARDED, 413, 415]],
  ['post', '/api/v1/users/{user_id}/revoke-sessions', 'revokeSessionsForUser', REVOKING],
  ['post', '/api/v1/users/{user_id}/grants', 'grantForUser', [...GUARDED, 409, 413, 415]],
  ['post', '/api/v1/checkout-sessions', 'createCheckoutSession', [...SHOPPING, 409, 422]],
  ['post', '/api/v1/checkout-sessions/{id}/sync', 'syncCheckoutSession', [...SHOPPING, 404]],
  ['post', '/api/v1/portal-sessions', 'createPortalSession', [...SHOPPING, 409]],
  ['post', '/api/v1/setup-sessions', 'createSetupSession', [...SHOPPING, 422]],
  ['get', '/api/v1/me/auto-top-up', 'getAutoTopUp', GUARDED],
  ['put', '/api/v1/me/auto-top-up', 'putAutoTopUp', [...SHOPPING, 409, 422]],
  ['delete', '/api/v1/me/auto-top-up', 'deleteAutoTopUp', GUARDED],
  ['get', '/api/v1/users/{user_id}/auto-top-up', 'getAutoTopUpForUser', GUARDED],
  ['delete', '/api/v1/users/{user_id}/auto-top-up', 'deleteAutoTopUpForUser', GUARDED],
  ['get', ENDPOINTS, 'listWebhookEndpoints', GUARDED],
  ['post', ENDPOINTS, 'createWebhookEndpoint', [...GUARDED, 409, 413, 415]],
  ['patch', ENDPOINT, 'updateWebhookEndpoint', NAMING],
  ['delete', ENDPOINT, 'deleteWebhookEndpoint', NAMING],
  ['post', `${ENDPOINT}/disable`, 'disableWebhookEndpoint', NAMING],
  ['post', `${ENDPOINT}/enable`, 'enableWebhookEndpoint', NAMING],
  ['post', `${ENDPOINT}/rotate-secret`, 'rotateWebhookSecret', NAMING],
  ['post', `${ENDPOINT}/replay`, 'replayWebhooks', NAMING],
  ['get', `${ENDPOINT}/deliveries`, 'listWebhookDeliveries', [...GUARDED, 404]],
  ['post', '/webhooks/stripe', 'receiveStripeEvent', [400, 413, 503]],
];
const FOR_KEYS = ['/api/v1/users/', '/api/v1/debits/batch', ENDPOINTS, '/metrics'];
const OPEN = ['/livez', '/healthz', '/api/v1/packs', '/api/v1/operations', '/webhooks/stripe'];

const operation = (method: string, path: string) => document.paths[path]?.[method] as Operation;

test('the document is OpenAPI 3.1 and names every operation, and nothing else', () => {
  expect(document.openapi).toBe('3.1.0');
  expect(document.info).toMatchObject({ title: 'Purser', version: expect.any(String) });
  const listed = Object.entries<object>(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method} ${path}`),
  );
  expect(listed.sort()).toEqual(OPERATIONS.map(([method, path]) => `${method} ${path}`).sort());
});

describe.each(OPERATIONS)('%s %s', (method, path, operationId, errors) => {
  test('has a name for clients and a summary for people', () => {
    expect(operation(method, path).operationId).toBe(operationId);
    expect(operation(method, path).summary).toMatch(/^[A-Z]/);
  });

  test('says who may call', () => {
    const security = operation(method, path).security ?? document.security;
    if (FOR_KEYS.some((beginning) => path.startsWith(beginning))) {
      expect(security).toEqual([
        { service_key: [expect.stringMatching(/^(credits:|metrics:|admin$)/)] },
      ]);
    } else {
      expect(security).toEqual(OPEN.includes(path) ? [] : [{ session: [] }]);
    }
  });

  test('has a schema for each of its answers', () => {
    const { responses } = operation(method, path);
    expect(Object.keys(responses).map(Number)).toEqual([200, ...errors].sort());
    for (const response of Object.values(responses)) {
      const [type = ''] = Object.keys(at(response, 'content') as object);
      expect(type).toMatch(/^(application\/json|text\/(csv|event-stream|plain))$/);
      expect(at(response, 'content', type, 'schema')).toBeDefined();
    }
  });
});

test('the schemes are Bearer tokens', () => {
  const bearer = expect.objectContaining({ type: 'http', scheme: 'bearer' });
  expect(document.components.securitySchemes).toEqual({ session: bearer, service_key: bearer });
});

test('every schema is valid JSON Schema 2020-12, and every reference leads somewhere', () => {
  const ajv = addFormats.default(new Ajv2020({ strict: true, allErrors: true }));
  ajv.addVocabulary(['openapi', 'info', 'servers', 'paths', 'components', 'security', 'tags']);
  ajv.addSchema({ $id: 'api', ...document });
  const schemas = collect(document, 'schema');
  expect(schemas.length).toBeGreaterThan(30);
  for (const schema of schemas) {
    const text = JSON.stringify(schema).replaceAll('"#/', '"api#/');
    expect(() => ajv.compile(JSON.parse(text)), text).not.toThrow();
  }
});

/** Every value that stands under `name`, anywhere in a JSON value. */
function collect(value: unknown, name: string): object[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    key === name ? [member as object] : collect(member, name),
  );
}

test('parameters are typed, and only what must be sent is required', () => {
  const entries = operation('get', '/api/v1/me/credits/entries').parameters;
  const filters = ['kind', 'reason', 'ref', 'operation', 'hold_id', 'from', 'to'];
  expect(entries?.slice(0, -2).map(({ name }) => name)).toEqual(filters);
  expect(entries?.every(({ required }) => required === false)).toBe(true);
  expect(entries?.slice(-2)).toEqual([
    {
      name: 'limit',
      in: 'query',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
    },
    expect.objectContaining({
      name: 'cursor',
      in: 'query',
      required: false,
      schema: { type: 'string', pattern: expect.any(String) },
    }),
  ]);
  for (const path of ['/api/v1/credits/debit', '/api/v1/use-credits']) {
    expect(operation('post', path).parameters).toEqual([
      expect.objectContaining({
        name: 'idempotency-key',
        in: 'header',
        required: false,
        schema: expect.objectContaining({ type: 'string', minLength: 1, maxLength: 255 }),
      }),
    ]);
  }
});

test.each([
  ['/api/v1/credits/debit', 'delta', 'reason'],
  ['/api/v1/use-credits', 'units', 'ref'],
])('the body of %s is closed: unknown fields are refused', (path, amount, note) => {
  const { requestBody } = operation('post', path);
  expect(requestBody).toMatchObject({ required: true });
  expect(at(requestBody, 'content', 'application/json', 'schema')).toMatchObject({
    type: 'object',
    additionalProperties: false,
    properties: {
      operation: { type: 'string' },
      [amount]: { type: 'integer', minimum: 1, maximum: 1e12 },
      [note]: { type: 'string' },
    },
  });
});

test('only the bodies that may be left out are not required', () => {
  const told = OPERATIONS.map(([method, path]) => operation(method, path));
  const optional = told.filter(({ requestBody }) => requestBody?.required === false);
  expect(optional.map(({ operationId }) => operationId)).toEqual([
    'captureHoldForUser',
    'releaseHoldForUser',
    'rotateWebhookSecret',
  ]);
  const required = told.filter(({ requestBody }) => requestBody?.required === true);
  expect(required).toHaveLength(collect(document, 'requestBody').length - optional.length);
});

test('the check of every answer of these tests notices what is not as published', async () => {
  const { faults } = readContract(document);
  const path = '/api/v1/me/credits';
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  const body = { data: { balance: 1, available: 1, held: 0, seq: 1, lots: [] } };
  expect(faults('GET', path, { status: 200, headers, body })).toEqual([]);
  expect(faults('GET', path, { status: 418, headers, body })).not.toEqual([]);
  expect(faults('GET', path, { status: 200, headers: {}, body })).not.toEqual([]);
  const text = { data: { ...body.data, balance: '1' } };
  expect(faults('GET', path, { status: 200, headers, body: text })).not.toEqual([]);
  const short = { data: { balance: 1, held: 0 } };
  expect(faults('GET', path, { status: 200, headers, body: short })).not.toEqual([]);
});

describe('the page at /docs', () => {
  test('is served with all that it loads, from here alone', async () => {
    const page = await api.call('GET', '/docs');
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? '');
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) {
      const { status } = await api.call('GET', new URL(link, 'http://a/docs').pathname);
      expect(status, link).toBe(200);
    }
  });

  test('has a policy that allows its own files alone, also without https', async () => {
    const { headers, text } = await api.call('GET', '/docs');
    const policy = headers['content-security-policy'];
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toMatch(/unsafe|https?:|\*|upgrade-insecure-requests/);
    expect(text).not.toMatch(/<script(?![^>]*src=)[^>]*>/);
  });

  test('is called after this API and shows nothing of the tool that draws it', async () => {
    const { text } = await api.call('GET', '/docs');
    expect(text).toContain('<title>Purser API</title>');
    const { text: script } = await api.call('GET', '/docs/static/swagger-initializer.js');
    expect(script).toMatch(/"layout":\s*"BaseLayout"/);
  });

  test('asks no other server about the document', async () => {
    const { text } = await api.call('GET', '/docs/static/swagger-initializer.js');
    expect(text).toMatch(/"validatorUrl":\s*null/);
  });
});

test('the version is that of the package', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(document.info.version).toBe(manifest.version);
});
