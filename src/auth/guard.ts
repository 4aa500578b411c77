import type { onRequestAsyncHookHandler } from 'fastify';
import { headerValues } from '../header-values.ts';
import type { Authenticator, Identity } from './authenticator.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls: set by the guard, so only routes behind it have one. */
    identity: Identity;
  }
}

/** The hook that lets a request pass only with an identity, before its body is read. */
export function createGuard(authenticate: Authenticator): onRequestAsyncHookHandler {
  return async (request) => {
    request.identity = await authenticate(headerValues(request.raw, 'authorization'));
  };
}
