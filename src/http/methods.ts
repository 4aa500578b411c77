import { METHODS } from 'node:http';
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { PurserError } from '../errors.ts';

/**
 * Makes every address that exists answer 405 with Allow to the methods it does not know; Fastify
 * by itself says 404. Call it before the routes: it watches them being added.
 */
export function answerOtherMethods(app: FastifyInstance): { readonly seal: () => void } {
  const urls = new Set<string>();
  app.addHook('onRoute', ({ url }) => void urls.add(url));
  return {
    seal() {
      const all = knowEveryMethod(app);
      for (const url of [...urls].filter((one) => !one.includes('*'))) {
        const answered = all.filter((method) => app.hasRoute({ method, url }));
        const allow = answered.sort().join(', ');
        app.route({
          method: all.filter((method) => !answered.includes(method)),
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

/** Lets routes be added for all that Node can parse, but CONNECT, which it never passes on. */
function knowEveryMethod(app: FastifyInstance): readonly HTTPMethods[] {
  // CORS answers every OPTIONS.
  const methods = METHODS.filter((method) => method !== 'CONNECT' && method !== 'OPTIONS');
  for (const method of methods) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  }
  return methods as HTTPMethods[];
}
