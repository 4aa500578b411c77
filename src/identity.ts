import type { FastifyRequest, preParsingHookHandler } from 'fastify';
import { PurserError } from './errors.ts';

/** What a service key may do. `admin` may do all of it. */
export const SCOPES = [
  'credits:read',
  'credits:spend',
  'credits:grant',
  'metrics:read',
  'admin',
] as const;
export type Scope = (typeof SCOPES)[number];

/** A signed-in user, who is also the account that this user's requests are about. */
export interface UserIdentity {
  readonly kind: 'user';
  readonly userId: string;
  readonly actor: 'user';
}

/** A server of the product, which may name any user. */
export interface KeyIdentity {
  readonly kind: 'key';
  /** How the key begins: its name in lists, logs and entries. */
  readonly prefix: string;
  readonly actor: `key:${string}`;
  readonly scopes: ReadonlySet<Scope>;
}

/** Who calls. A user's token only ever means that user. */
export type Identity = UserIdentity | KeyIdentity;

/** Whose credits a request is about, and who acts on them. */
type Account = Pick<UserIdentity, 'userId'> & Pick<Identity, 'actor'>;

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls: set by the guard, so only routes behind it have one. */
    identity: Identity;
    /** Set by `requireUser`, and by `requireScope` where the path names a user. */
    account: Account;
  }
}

// All of these run before the body is read and after the rate limit, which counts what they refuse.

/** Lets only session tokens pass; the account is the user's own. */
export const requireUser: preParsingHookHandler = (request, _reply, _payload, done) => {
  const { identity } = request;
  if (identity.kind !== 'user') {
    throw forbidden({
      message: 'A service key is no user: call the address below /api/v1/users/{user_id}.',
      reason: `${identity.prefix} on an address for users`,
    });
  }
  const { userId, actor } = identity;
  request.account = { userId, actor };
  done();
};

/** Lets nobody pass: for what session tokens might do if this deployment let them. */
export const refuseWrites: preParsingHookHandler = () => {
  throw forbidden({
    message: 'Session tokens may not do that here; your server may, with a service key.',
    reason: 'a write with a session token, which USER_TOKEN_WRITES refuses',
  });
};

/** Lets only service keys with a scope pass; the account is the `user_id` of the path, if any. */
export function requireScope(scope: Scope): preParsingHookHandler {
  return (request, _reply, _payload, done) => {
    const { actor } = checkScope(request, scope);
    // Not validated yet; the schema of the path is, before any handler reads it.
    const { user_id: userId } = request.params as { readonly user_id?: string };
    if (userId !== undefined) request.account = { userId, actor };
    done();
  };
}

/** The service key that calls. Throws `forbidden` when it lacks the scope, or when a user calls. */
export function checkScope(request: Pick<FastifyRequest, 'identity'>, scope: Scope): KeyIdentity {
  const key = keyOf(request);
  const { scopes, prefix } = key;
  if (scopes.has(scope) || scopes.has('admin')) return key;
  throw forbidden({
    message: `This service key lacks the scope ${scope}.`,
    reason: `${prefix} lacks ${scope}`,
    fields: { required_scope: scope },
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}

function keyOf({ identity }: Pick<FastifyRequest, 'identity'>): KeyIdentity {
  if (identity.kind === 'key') return identity;
  throw forbidden({
    message: 'This address is for service keys; a session token only ever means its own user.',
    reason: 'a session token on an address for service keys',
  });
}

interface Forbidden {
  readonly message: string;
  /** For the log only. */
  readonly reason: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The caller is known and may not do that (RFC 6750, section 3.1). */
function forbidden({ reason, ...options }: Forbidden): PurserError {
  return new PurserError('forbidden', { ...options, cause: new Error(reason) });
}
