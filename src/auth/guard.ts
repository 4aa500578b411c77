import type { onRequestAsyncHookHandler } from 'fastify';
import { headerValues } from '../header-values.ts';
import type { Authenticator } from './authenticator.ts';

/** The hook that lets a request pass only with an identity, before its body is read. */
export function createGuard(authenticate: Authenticator): onRequestAsyncHookHandler {
  return async (request) => {
    request.identity = await authenticate(headerValues(request.raw, 'authorization'));
  };
}
