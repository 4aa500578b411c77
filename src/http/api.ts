import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyPluginAsync, onRequestAsyncHookHandler } from 'fastify';
import { type Door, keyDoor, type UserWrites, userDoor } from '../door.ts';
import { PurserError } from '../errors.ts';
import { type Identity, refuseWrites, requireUser } from '../identity.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Streams } from '../live/streams.ts';
import type { PriceList } from '../price-list.ts';
import { captureHoldRoute } from './routes/capture-hold.ts';
import { checkCreditsRoute } from './routes/check-credits.ts';
import { debitRoute } from './routes/debit.ts';
import { debitBatchRoute } from './routes/debit-batch.ts';
import { exportEntriesRoute } from './routes/export-entries.ts';
import { getCreditsRoute } from './routes/get-credits.ts';
import { getHoldRoute } from './routes/get-hold.ts';
import { getUsageRoute } from './routes/get-usage.ts';
import { grantRoute } from './routes/grant.ts';
import { helloRoute } from './routes/hello.ts';
import { listEntriesRoute } from './routes/list-entries.ts';
import { listHoldsRoute } from './routes/list-holds.ts';
import { openHoldRoute } from './routes/open-hold.ts';
import { releaseHoldRoute } from './routes/release-hold.ts';
import { reverseRoute } from './routes/reverse.ts';
import { type RevokeSessions, revokeSessionsRoute } from './routes/revoke-sessions.ts';
import { streamCreditsRoute } from './routes/stream-credits.ts';
import { useCreditsRoute } from './routes/use-credits.ts';
import { createSignUpGrant, type SignUp } from './sign-up-grant.ts';

export interface ApiOptions {
  readonly ledger: Ledger;
  /** What operations cost. */
  readonly operations: PriceList;
  /** Further routes for signed-in users, which belong to another room. */
  readonly userRoutes: FastifyPluginAsync;
  /** Those of them with which money is spent. */
  readonly shop: FastifyPluginAsync;
  /** Further routes for service keys. */
  readonly keyRoutes: FastifyPluginAsync;
  /** Runs before anything else of a request is read, and sets `request.identity`. */
  readonly guard: onRequestAsyncHookHandler;
  readonly streams: Streams;
  readonly revokeSessions: RevokeSessions;
  readonly userWrites: UserWrites;
  readonly signUp: SignUp;
  /** Requests that one caller may send in a minute; 0 for no limit. Counted per process. */
  readonly rateLimits: Readonly<Record<Identity['kind'], number>>;
}

/** The routes behind the guard. */
export const api =
  (options: ApiOptions): FastifyPluginAsync =>
  async (app) => {
    // So that every request object has the same shape from the start.
    app.decorateRequest('identity').decorateRequest('account');
    app.addHook('onRequest', options.guard);
    await limitRate(app, options.rateLimits);
    app.addHook('preClose', async () => options.streams.close());
    await app.register(forUsers(options));
    await app.register(forKeys(options));
  };

/** What a signed-in user may do, always with the own account. */
const forUsers =
  ({
    ledger,
    operations,
    streams,
    userRoutes,
    shop,
    userWrites,
    signUp,
  }: ApiOptions): FastifyPluginAsync =>
  async (app) => {
    app.addHook('preParsing', requireUser);
    if (signUp.credits > 0) {
      const give = createSignUpGrant(ledger.post, signUp);
      // After the schema, so that a request which is refused for what it says costs nothing.
      app.addHook('preHandler', ({ account }) => give(account.userId));
    }
    await app.register(helloRoute);
    await app.register(credits(ledger, userDoor(userWrites), operations));
    await app.register(streamCreditsRoute(streams, userDoor(userWrites)));
    await app.register(userRoutes);
    await app.register(async (buying) => {
      if (userWrites === 'none') buying.addHook('preParsing', refuseWrites);
      await buying.register(shop);
    });
  };

/** What a service key may do, with the account of any user. */
const forKeys =
  ({ ledger, operations, streams, keyRoutes, revokeSessions }: ApiOptions): FastifyPluginAsync =>
  async (app) => {
    await app.register(credits(ledger, keyDoor, operations));
    await app.register(streamCreditsRoute(streams, keyDoor));
    await app.register(grantRoute(ledger));
    await app.register(openHoldRoute(ledger, operations));
    await app.register(listHoldsRoute(ledger));
    await app.register(getHoldRoute(ledger));
    await app.register(captureHoldRoute(ledger));
    await app.register(releaseHoldRoute(ledger));
    await app.register(reverseRoute(ledger));
    await app.register(debitBatchRoute(ledger, operations));
    await app.register(revokeSessionsRoute(revokeSessions));
    await app.register(keyRoutes);
  };

/** What both may do. */
const credits =
  (ledger: Ledger, door: Door, operations: PriceList): FastifyPluginAsync =>
  async (app) => {
    await app.register(getCreditsRoute(ledger, door));
    await app.register(listEntriesRoute(ledger, door));
    await app.register(exportEntriesRoute(ledger, door));
    await app.register(getUsageRoute(ledger, door));
    await app.register(checkCreditsRoute(ledger, door, operations));
    await app.register(debitRoute(ledger, door, operations));
    await app.register(useCreditsRoute(ledger, door, operations));
  };

/** Of the plugin's headers only Retry-After is promised, and the 429 below has its own. */
const NO_HEADERS = {
  'x-ratelimit-limit': false,
  'x-ratelimit-remaining': false,
  'x-ratelimit-reset': false,
} as const;

/** Counts right after the guard, so that the caller is known, and before anything is refused. */
async function limitRate(app: FastifyInstance, perMinute: ApiOptions['rateLimits']): Promise<void> {
  if (perMinute.user === 0 && perMinute.key === 0) return;
  await app.register(rateLimit, {
    max: ({ identity }) => perMinute[identity.kind],
    allowList: ({ identity }) => perMinute[identity.kind] === 0,
    timeWindow: '1 minute',
    // A route's own hooks run after those of the plugins around it, such as the guard.
    hook: 'onRequest',
    addHeaders: { ...NO_HEADERS, 'retry-after': false },
    addHeadersOnExceeding: NO_HEADERS,
    keyGenerator: ({ identity }) =>
      identity.kind === 'user' ? `user ${identity.userId}` : `key ${identity.prefix}`,
    errorResponseBuilder: (_request, { ttl }) =>
      new PurserError('rate_limited', {
        headers: { 'retry-after': String(Math.ceil(ttl / 1000)) },
      }),
  });
}
