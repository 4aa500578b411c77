import type { RouteShorthandOptions } from 'fastify';
import type { TSchema } from 'typebox';
import { refuseWrites, requireScope, type Scope } from './identity.ts';
import { UserPath } from './operation.ts';

/** An operation on an account, whichever way it is reached. */
interface Operation {
  /** Its operationId, such as `debit`. */
  readonly id: string;
  readonly summary: string;
  /** Its address, below that of the account. */
  readonly path: string;
  /** Where a user finds it, when not right below /api/v1. */
  readonly under?: '/me';
  /** Where the document lists it for users. */
  readonly tag?: 'Shop';
  /** What a service key needs for it. */
  readonly scope: Scope;
}

/** What of a route follows from who calls it. */
interface Way {
  readonly url: string;
  readonly options: Pick<RouteShorthandOptions, 'preParsing'>;
  readonly schema: {
    readonly operationId: string;
    readonly summary: string;
    readonly tags: readonly string[];
    readonly security: readonly Readonly<Record<string, readonly string[]>>[];
    readonly params?: TSchema;
  };
}

/** Who an operation is for. One route serves both doors, so that twins cannot differ. */
export type Door = (operation: Operation) => Way;

/** What a session token may do beside reading: also debit, also buy, or nothing. */
export type UserWrites = 'all' | 'checkout' | 'none';

/** The signed-in user's own account; the plugin around it lets only users pass. */
export const userDoor =
  (writes: UserWrites): Door =>
  ({ id, summary, path, under = '', tag = 'Credits', scope }) => {
    const reads = scope === 'credits:read';
    return {
      url: `/api/v1${under}${path}`,
      options: reads || writes === 'all' ? {} : { preParsing: refuseWrites },
      schema: { operationId: id, summary, tags: [tag], security: [{ session: [] }] },
    };
  };

/** Any user's account, for service keys. */
export const keyDoor: Door = ({ id, summary, path, scope }) => ({
  url: `/api/v1/users/:user_id${path}`,
  options: { preParsing: requireScope(scope) },
  schema: {
    operationId: `${id}ForUser`,
    summary: `${summary}, for any user`,
    tags: ['Service keys'],
    security: [{ service_key: [scope] }],
    params: UserPath,
  },
});
