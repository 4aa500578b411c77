import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Pool } from 'pg';
import { Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { bodyErrors, error, NoQuery } from '../../operation.ts';
import { listEndpoints, updateEndpoint } from '../endpoints.ts';
import type { TargetRules } from '../target.ts';
import {
  AlertTypes,
  checkedUrl,
  described,
  EndpointPath,
  forAdmins,
  foundOr404,
  ONE_ENDPOINT,
  ShownEndpoint,
  TargetUrl,
  toShown,
} from './shared.ts';

/** PATCH /api/v1/webhook-endpoints/:endpoint_id: another URL, or other alerts. */
export const updateEndpointRoute =
  (pool: Pool, targets: TargetRules): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.patch(
      ONE_ENDPOINT,
      {
        ...forAdmins,
        schema: {
          ...described,
          operationId: 'updateWebhookEndpoint',
          summary: 'Change where an endpoint is, or which alerts it gets',
          description: 'What is left out stays. What waits already goes to the new URL.',
          params: EndpointPath,
          querystring: NoQuery,
          body: Type.Object(
            {
              url: Type.Optional(TargetUrl),
              types: Type.Optional(
                Type.Union([AlertTypes, Type.Null()], { description: 'Null for all.' }),
              ),
            },
            { additionalProperties: false, minProperties: 1 },
          ),
          response: {
            200: Envelope(ShownEndpoint),
            ...bodyErrors,
            404: error('There is no such endpoint.'),
          },
        },
      },
      async ({ params: { endpoint_id: id }, body: { url, types } }) => {
        foundOr404(
          await updateEndpoint(pool, id, {
            ...(url !== undefined && { url: checkedUrl(url, targets) }),
            ...(types !== undefined && { types: types && [...new Set(types)] }),
          }),
        );
        const updated = (await listEndpoints(pool)).find((one) => one.id === id);
        return { data: toShown(foundOr404(updated ?? null)) };
      },
    );
  };
