import type { FastifyPluginAsync } from 'fastify';
import type { Pool } from 'pg';
import { changeEndpointRoutes } from './routes/change-endpoint.ts';
import { createEndpointRoute } from './routes/create-endpoint.ts';
import { listDeliveriesRoute } from './routes/list-deliveries.ts';
import { listEndpointsRoute } from './routes/list-endpoints.ts';
import { replayAlertsRoute } from './routes/replay-alerts.ts';
import { rotateSecretRoute } from './routes/rotate-secret.ts';
import { updateEndpointRoute } from './routes/update-endpoint.ts';
import type { TargetRules } from './target.ts';

/** The routes with which admins manage webhook endpoints; they belong behind the guard. */
export const webhookRoutes =
  (pool: Pool, targets: TargetRules): FastifyPluginAsync =>
  async (app) => {
    await app.register(listEndpointsRoute(pool));
    await app.register(createEndpointRoute(pool, targets));
    await app.register(updateEndpointRoute(pool, targets));
    await app.register(changeEndpointRoutes(pool));
    await app.register(rotateSecretRoute(pool));
    await app.register(listDeliveriesRoute(pool));
    await app.register(replayAlertsRoute(pool));
  };
