import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Pool } from 'pg';
import { Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { guardedErrors, NoQuery } from '../../operation.ts';
import { listEndpoints } from '../endpoints.ts';
import { described, ENDPOINTS, forAdmins, ShownEndpoint, toShown } from './shared.ts';

/** GET /api/v1/webhook-endpoints. */
export const listEndpointsRoute =
  (pool: Pool): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.get(
      ENDPOINTS,
      {
        ...forAdmins,
        schema: {
          ...described,
          operationId: 'listWebhookEndpoints',
          summary: 'The webhook endpoints, the oldest first',
          querystring: NoQuery,
          response: { 200: Envelope(Type.Array(ShownEndpoint)), ...guardedErrors },
        },
      },
      async () => ({ data: (await listEndpoints(pool)).map(toShown) }),
    );
  };
