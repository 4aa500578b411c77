import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Pool } from 'pg';
import { Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { allowNoBody, bodyErrors, error, NoQuery } from '../../operation.ts';
import { OVERLAP, rotateSecret } from '../endpoints.ts';
import { described, EndpointPath, forAdmins, foundOr404, ONE_ENDPOINT } from './shared.ts';

/** POST /api/v1/webhook-endpoints/:endpoint_id/rotate-secret. */
export const rotateSecretRoute =
  (pool: Pool): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post(
      `${ONE_ENDPOINT}/rotate-secret`,
      {
        ...forAdmins,
        preValidation: allowNoBody,
        schema: {
          ...described,
          operationId: 'rotateWebhookSecret',
          summary: 'Make another secret for an endpoint',
          description:
            'Both sign during the overlap, so that the receiver may change over within it, and so do ' +
            'those before them, as long as was said then. An overlap of 0 ends them all. The body may ' +
            'be left out.',
          params: EndpointPath,
          querystring: NoQuery,
          body: Type.Object(
            {
              overlap_hours: Type.Optional(
                Type.Integer({ minimum: 0, maximum: OVERLAP.most, default: OVERLAP.usual }),
              ),
            },
            { additionalProperties: false },
          ),
          response: {
            200: Envelope(
              Type.Object({
                id: Type.String(),
                secret: Type.String({ description: 'whsec_…, shown only now.' }),
              }),
            ),
            ...bodyErrors,
            404: error('There is no such endpoint.'),
          },
        },
      },
      async ({
        params: { endpoint_id: id },
        body: { overlap_hours: overlap = OVERLAP.usual },
      }) => ({
        data: { id, secret: foundOr404(await rotateSecret(pool, id, overlap)) },
      }),
    );
  };
