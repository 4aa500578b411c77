import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
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
import { type Health, healthzRoute } from './http/routes/healthz.ts';
import { livezRoute } from './http/routes/livez.ts';
import { compileValidator } from './http/validation.ts';
import { requestId } from './request-id.ts';

export interface AppOptions extends ApiOptions {
  readonly health: Health;
  /** Origins whose pages may call the API from a browser. */
  readonly allowedOrigins: readonly string[];
  /** POST /webhooks/stripe, with a parser of its own. */
  readonly stripeWebhook: FastifyPluginAsync;
  readonly log?: FastifyBaseLogger;
}

/** The largest body that the API reads, in bytes; the webhook has its own limit. */
const BODY_LIMIT = 64 * 1024;

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
    forceCloseConnections: 'idle',
    clientErrorHandler: handleClientError,
    frameworkErrors: handleError,
    routerOptions: { maxParamLength: 255 },
  });
  app.addSchema(ErrorBody);
  acceptOnlyJson(app);
  app.setValidatorCompiler(compileValidator);
  app.setErrorHandler(handleError);
  app.setNotFoundHandler(() => {
    throw new PurserError('not_found');
  });
  app.addHook('onRequest', async (request, reply) => {
    // Balances are nobody else's: no browser or proxy may keep an answer.
    reply.headers({ 'x-request-id': request.id, 'cache-control': 'no-store' });
  });
  app.addHook('onResponse', async (request, reply) => {
    const { method, url } = request;
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    request.log.info({ method, url, status: reply.statusCode, ms }, 'request');
  });

  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
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
  await app.register(api(options));
  await app.register(options.stripeWebhook);
  await serveDocs(app);
  otherMethods.seal();
  return app;
}
