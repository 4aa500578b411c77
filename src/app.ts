import cors from '@fastify/cors';
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyPluginAsync,
  fastify,
  LogController,
} from 'fastify';
import { ErrorBody } from './envelope.ts';
import { PurserError } from './errors.ts';
import { type ApiOptions, api } from './http/api.ts';
import { handleClientError } from './http/client-error.ts';
import { describeApi, serveDocs } from './http/docs.ts';
import { handleError } from './http/error-handler.ts';
import { acceptOnlyJson } from './http/json-body.ts';
import { answerOtherMethods } from './http/methods.ts';
import { checkHeads } from './http/request-head.ts';
import { type Health, healthzRoute } from './http/routes/healthz.ts';
import { listOperationsRoute } from './http/routes/list-operations.ts';
import { type ListPacks, listPacksRoute } from './http/routes/list-packs.ts';
import { livezRoute } from './http/routes/livez.ts';
import { compileValidator } from './http/validation.ts';
import { requestId } from './request-id.ts';

export interface AppOptions extends ApiOptions {
  readonly health: Health;
  readonly listPacks: ListPacks;
  /** Origins whose pages may call the API from a browser. */
  readonly allowedOrigins: readonly string[];
  /** POST /webhooks/stripe, with a parser of its own. */
  readonly stripeWebhook: FastifyPluginAsync;
  readonly log?: FastifyBaseLogger;
}

/** The largest body that the API reads, in bytes; the webhook has its own limit. */
const BODY_LIMIT = 64 * 1024;

/**
 * What every answer says to browsers and proxies: keep nothing (balances are nobody else's), run
 * nothing, guess no type, come back over https. /docs has a policy of its own. Constants, because
 * making them anew for each answer took a tenth of a debit's processor time.
 */
const FIXED_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** Builds the server, ready to listen or to be injected into. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const app = fastify({
    ...(options.log && { loggerInstance: options.log }),
    return503OnClosing: false,
    logController: new LogController({
      disableRequestLogging: true,
      requestIdLogLabel: 'request_id',
    }),
    genReqId: requestId,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    // The whole address has a bound; an id that is too long is one that nobody has, so a 404.
    routerOptions: { maxParamLength: 16 * 1024 },
    forceCloseConnections: 'idle',
    clientErrorHandler: handleClientError,
    frameworkErrors: handleError,
    // `checkHeads` does it, so that the refusal has its envelope.
    http: { requireHostHeader: false },
  });
  app.addSchema(ErrorBody);
  acceptOnlyJson(app);
  app.setValidatorCompiler(compileValidator);
  app.setErrorHandler(handleError);
  app.setNotFoundHandler(() => {
    throw new PurserError('not_found');
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(FIXED_HEADERS).header('x-request-id', request.id);
  });
  checkHeads(app);
  app.addHook('onResponse', async (request, reply) => {
    const { method, url } = request;
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    request.log.info({ method, url, status: reply.statusCode, ms }, 'request');
  });

  await app.register(cors, {
    origin: [...options.allowedOrigins],
    exposedHeaders: ['Retry-After', 'Idempotency-Replayed', 'X-Request-Id'],
    maxAge: 600,
    // An OPTIONS that is no preflight is no error either.
    strictPreflight: false,
  });
  const otherMethods = answerOtherMethods(app);
  await describeApi(app, options.health.version);
  await app.register(livezRoute);
  await app.register(healthzRoute(options.health));
  await app.register(listPacksRoute(options.listPacks));
  await app.register(listOperationsRoute(options.operations));
  await app.register(api(options));
  await app.register(options.stripeWebhook);
  await serveDocs(app);
  otherMethods.seal();
  return app;
}
