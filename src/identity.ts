import type { preParsingHookHandler } from 'fastify';
import { PurserError } from './errors.ts';

/** What a service key may do. `admin` may do all of it. */
export const SCOPES = ['credits:read', 'credits:spend', 'credits:grant', 'admin'] as const;
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
    /** Set by `requireUser`. */
    account: Account;
  }
}

/**
 * Lets only session tokens pass; the account is the user's own. Runs before the body is read and
 * after the rate limit, which counts what it refuses.
 */
export const requireUser: preParsingHookHandler = (request, _reply, _payload, done) => {
  const { identity } = request;
  if (identity.kind !== 'user') {
    throw forbidden({
      message: 'A service key is no user: call the address below /api/v1/users/{user_id}.',
      reason: `${identity.prefix} on an address for users`,
    });
  }
  request.account = identity;
  done();
};

interface Forbidden {
  readonly message: string;
  /** For the log only. */
  readonly reason: string;
}

/** The caller is known and may not do that (RFC 6750, section 3.1). */
function forbidden({ reason, ...options }: Forbidden): PurserError {
  return new PurserError('forbidden', { ...options, cause: new Error(reason) });
}
