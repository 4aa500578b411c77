import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Pool } from 'pg';
import { Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { PurserError } from '../../errors.ts';
import { bodyErrors, error, NoQuery } from '../../operation.ts';
import { createEndpoint, MOST_ENDPOINTS } from '../endpoints.ts';
import type { TargetRules } from '../target.ts';
import { AlertTypes, checkedUrl, described, ENDPOINTS, forAdmins, TargetUrl } from './shared.ts';

/** POST /api/v1/webhook-endpoints: makes an endpoint, and tells its secret this once. */
export const createEndpointRoute =
  (pool: Pool, targets: TargetRules): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post(
      ENDPOINTS,
      {
        ...forAdmins,
        schema: {
          ...described,
          operationId: 'createWebhookEndpoint',
          summary: 'Make a webhook endpoint',
          description:
            'It gets what happens from now on, signed by the Standard Webhooks scheme with the ' +
            'secret, which is told only in this answer.',
          querystring: NoQuery,
          body: Type.Object(
            {
              url: TargetUrl,
              types: Type.Optional(AlertTypes),
            },
            { additionalProperties: false },
          ),
          response: {
            200: Envelope(
              Type.Object({
                id: Type.String(),
                url: Type.String(),
                types: Type.Union([Type.Array(Type.String()), Type.Null()]),
                secret: Type.String({ description: 'whsec_…, shown only now.' }),
              }),
            ),
            ...bodyErrors,
            409: error(`There are ${MOST_ENDPOINTS} endpoints already.`),
          },
        },
      },
      async ({ body }) => {
        const url = checkedUrl(body.url, targets);
        const types = body.types ? [...new Set(body.types)] : null;
        const made = await createEndpoint(pool, { url, types });
        if (!made) throw new PurserError('too_many_endpoints');
        return { data: { ...made, url, types } };
      },
    );
  };
