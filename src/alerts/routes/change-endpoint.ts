import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Pool } from 'pg';
import { Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { bodyErrors, error, NoQuery, refuseBody } from '../../operation.ts';
import { deleteEndpoint, disableEndpoint, enableEndpoint } from '../endpoints.ts';
import { described, EndpointPath, forAdmins, foundOr404, ONE_ENDPOINT } from './shared.ts';

const CHANGES = [
  {
    method: 'POST',
    url: `${ONE_ENDPOINT}/disable`,
    operationId: 'disableWebhookEndpoint',
    summary: 'Stop deliveries to an endpoint',
    description: 'What happens meanwhile is filed, and waits.',
    change: disableEndpoint,
    state: 'disabled',
  },
  {
    method: 'POST',
    url: `${ONE_ENDPOINT}/enable`,
    operationId: 'enableWebhookEndpoint',
    summary: 'Deliver to an endpoint again, first what waits',
    description: 'Also ends the pauses that earlier failures have earned.',
    change: enableEndpoint,
    state: 'enabled',
  },
  {
    method: 'DELETE',
    url: ONE_ENDPOINT,
    operationId: 'deleteWebhookEndpoint',
    summary: 'Delete an endpoint, for good',
    description: 'What waits for it is delivered no more, and its secrets are removed.',
    change: deleteEndpoint,
    state: 'deleted',
  },
] as const;

/** DELETE /api/v1/webhook-endpoints/:endpoint_id, and POST …/disable and …/enable. */
export const changeEndpointRoutes =
  (pool: Pool): FastifyPluginAsyncTypebox =>
  async (app) => {
    for (const { method, url, change, state, ...told } of CHANGES) {
      app.route({
        method,
        url,
        ...forAdmins,
        schema: {
          ...described,
          ...told,
          params: EndpointPath,
          querystring: NoQuery,
          response: {
            200: Envelope(Type.Object({ id: Type.String(), state: Type.Literal(state) })),
            ...bodyErrors,
            404: error('There is no such endpoint.'),
          },
        },
        handler: async ({ params: { endpoint_id: id }, body }) => {
          refuseBody(body);
          foundOr404(await change(pool, id));
          return { data: { id, state } };
        },
      });
    }
  };
