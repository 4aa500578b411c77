import type { FastifyInstance, HTTPMethods } from 'fastify';
import { PurserError } from '../errors.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/**
 * Makes every address that exists answer 405 with Allow to the methods it does not know; Fastify
 * by itself says 404. Call it before the routes: it watches them being added.
 */
export function answerOtherMethods(app: FastifyInstance): { readonly seal: () => void } {
  const known = new Map<string, Set<HTTPMethods>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = known.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one as HTTPMethods);
    known.set(url, methods);
  });
  return {
    seal() {
      for (const [url, methods] of [...known]) {
        const others = METHODS.filter((method) => !methods.has(method));
        const allow = [...methods].sort().join(', ');
        if (url.includes('*') || others.length === 0) continue;
        app.route({
          method: [...others],
          url,
          schema: { hide: true },
          onRequest: async () => {
            throw new PurserError('method_not_allowed', { headers: { allow } });
          },
          handler: () => {},
        });
      }
    },
  };
}
