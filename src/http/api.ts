import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyPluginAsync, onRequestAsyncHookHandler } from 'fastify';
import { PurserError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { debitRoute } from './routes/debit.ts';
import { getCreditsRoute } from './routes/get-credits.ts';
import { helloRoute } from './routes/hello.ts';
import { listEntriesRoute } from './routes/list-entries.ts';
import { useCreditsRoute } from './routes/use-credits.ts';

export interface ApiOptions {
  readonly ledger: Ledger;
  /** Further routes behind the guard, which belong to another room. */
  readonly shop: FastifyPluginAsync;
  /** Runs before anything else of a request is read, and sets `request.identity`. */
  readonly guard: onRequestAsyncHookHandler;
  /** Requests that one identity may send in a minute; 0 for no limit. Counted per process. */
  readonly rateLimitPerMinute: number;
}

/** The routes behind the guard. */
export const api =
  ({ ledger, shop, guard, rateLimitPerMinute }: ApiOptions): FastifyPluginAsync =>
  async (app) => {
    // So that every request object has the same shape from the start.
    app.decorateRequest('identity');
    app.addHook('onRequest', guard);
    if (rateLimitPerMinute > 0) await limitRate(app, rateLimitPerMinute);
    await app.register(helloRoute);
    await app.register(getCreditsRoute(ledger));
    await app.register(listEntriesRoute(ledger));
    await app.register(debitRoute(ledger));
    await app.register(useCreditsRoute(ledger));
    await app.register(shop);
  };

/** Of the plugin's headers only Retry-After is promised, and the 429 below has its own. */
const NO_HEADERS = {
  'x-ratelimit-limit': false,
  'x-ratelimit-remaining': false,
  'x-ratelimit-reset': false,
} as const;

/** Counts in the phase after the guard's, so that the identity is known. */
async function limitRate(app: FastifyInstance, perMinute: number): Promise<void> {
  await app.register(rateLimit, {
    max: perMinute,
    timeWindow: '1 minute',
    hook: 'preParsing',
    addHeaders: { ...NO_HEADERS, 'retry-after': false },
    addHeadersOnExceeding: NO_HEADERS,
    keyGenerator: ({ identity }) => identity.userId,
    errorResponseBuilder: (_request, { ttl }) =>
      new PurserError('rate_limited', {
        headers: { 'retry-after': String(Math.ceil(ttl / 1000)) },
      }),
  });
}
