import { type Static, Type } from 'typebox';
import { PurserError } from '../../errors.ts';
import { requireScope } from '../../identity.ts';
import { ALERT_TYPES } from '../../ledger/core/alert.ts';
import { PRINTABLE_ASCII } from '../../operation.ts';
import type { Endpoint } from '../endpoints.ts';
import { checkUrl, RefusedTarget, type TargetRules } from '../target.ts';

export const ENDPOINTS = '/api/v1/webhook-endpoints';
export const ONE_ENDPOINT = `${ENDPOINTS}/:endpoint_id`;

/** What every route here has: only keys with the scope admin pass. */
export const forAdmins = { preParsing: requireScope('admin') };
export const described = {
  tags: ['Webhooks'],
  security: [{ service_key: ['admin'] }],
};

export const EndpointPath = Type.Object({
  endpoint_id: Type.String({ minLength: 1, maxLength: 255, pattern: PRINTABLE_ASCII }),
});

export const AlertTypes = Type.Array(Type.Enum(ALERT_TYPES), {
  minItems: 1,
  maxItems: ALERT_TYPES.length,
  description: 'Which alerts it wants; all when left out.',
});

export const TargetUrl = Type.String({
  minLength: 1,
  maxLength: 2_048,
  description: 'https, at an address on the internet, unless private ones are allowed.',
});

const Moment = (description: string) =>
  Type.Union([Type.String({ format: 'date-time' }), Type.Null()], { description });

export const ShownEndpoint = Type.Object({
  id: Type.String(),
  url: Type.String(),
  types: Type.Union([Type.Array(Type.String()), Type.Null()], {
    description: 'Which alerts it wants; null for all.',
  }),
  created_at: Type.String({ format: 'date-time' }),
  disabled_at: Moment('Since when nothing is delivered; null while it is enabled.'),
  disabled_reason: Type.Union([Type.String(), Type.Null()]),
  failures: Type.Integer({ description: 'Attempts that failed since the last success.' }),
  failing_since: Moment('When the first of them failed.'),
  previous_secret_until: Moment('How long secrets before this one sign, too.'),
  pending: Type.Integer({ description: 'Alerts that wait to be delivered.' }),
});

export function toShown(endpoint: Endpoint): Static<typeof ShownEndpoint> {
  const { id, url, types, disabledReason, failures, pending } = endpoint;
  return {
    ...{ id, url, types: types && [...types] },
    created_at: iso(endpoint.createdAt),
    disabled_at: isoOrNull(endpoint.disabledAt),
    disabled_reason: disabledReason,
    failures,
    failing_since: isoOrNull(endpoint.failingSince),
    previous_secret_until: isoOrNull(endpoint.previousUntil),
    pending,
  };
}

/** @throws 400 `invalid_request` when the URL is refused */
export function checkedUrl(url: string, targets: TargetRules): string {
  try {
    return checkUrl(url, targets);
  } catch (cause) {
    if (!(cause instanceof RefusedTarget)) throw cause;
    const message = `The field \`url\` is refused: ${cause.message}.`;
    throw new PurserError('invalid_request', { message, fields: { field: 'url' } });
  }
}

export const iso = (moment: number) => new Date(moment).toISOString();
export const isoOrNull = (moment: number | null) => (moment === null ? null : iso(moment));

export const cursorOf = (next: number | null) => (next === null ? null : String(next));

/** @throws 404 `endpoint_not_found` for null and false */
export function foundOr404<T>(found: T | null | false): T {
  if (found === null || found === false) throw new PurserError('endpoint_not_found');
  return found;
}
