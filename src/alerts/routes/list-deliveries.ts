import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Pool } from 'pg';
import { Type } from 'typebox';
import { Cursor, error, guardedErrors, NextCursor, UserPath } from '../../operation.ts';
import { DELIVERY_STATES, listDeliveries } from '../deliveries.ts';
import {
  cursorOf,
  described,
  EndpointPath,
  forAdmins,
  foundOr404,
  iso,
  isoOrNull,
  ONE_ENDPOINT,
} from './shared.ts';

/** How many deliveries are listed when the caller does not say. */
const LISTED = 20;

const MomentOrNull = Type.Union([Type.String({ format: 'date-time' }), Type.Null()]);

/** GET /api/v1/webhook-endpoints/:endpoint_id/deliveries: what became of its alerts. */
export const listDeliveriesRoute =
  (pool: Pool): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.get(
      `${ONE_ENDPOINT}/deliveries`,
      {
        ...forAdmins,
        schema: {
          ...described,
          operationId: 'listWebhookDeliveries',
          summary: 'What became of the alerts of an endpoint, the latest first',
          params: EndpointPath,
          querystring: Type.Object(
            {
              state: Type.Optional(Type.Enum(DELIVERY_STATES)),
              user_id: Type.Optional(UserPath.properties.user_id),
              limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: LISTED })),
              cursor: Type.Optional(Cursor),
            },
            { additionalProperties: false },
          ),
          response: {
            200: Type.Object({
              data: Type.Array(
                Type.Object({
                  alert: Type.String({ description: 'Its id, which is its webhook-id.' }),
                  type: Type.String(),
                  user_id: Type.String(),
                  state: Type.Enum(DELIVERY_STATES),
                  attempts: Type.Integer(),
                  status: Type.Union([Type.Integer(), Type.Null()], {
                    description: 'What the last attempt was answered.',
                  }),
                  problem: Type.Union([Type.String(), Type.Null()]),
                  created_at: Type.String({ format: 'date-time' }),
                  attempted_at: MomentOrNull,
                  next_attempt_at: MomentOrNull,
                }),
              ),
              next_cursor: NextCursor,
            }),
            ...guardedErrors,
            404: error('There never was such an endpoint.'),
          },
        },
      },
      async ({
        params: { endpoint_id: endpointId },
        query: { state, user_id: userId, limit = LISTED, cursor },
      }) => {
        const before = cursor === undefined ? null : Number(cursor);
        const filter = { endpointId, state, userId, limit, before };
        const { deliveries, next } = foundOr404(await listDeliveries(pool, filter));
        return {
          next_cursor: cursorOf(next),
          data: deliveries.map(
            ({ userId: user_id, createdAt, attemptedAt, nextAttemptAt, ...rest }) => ({
              ...rest,
              user_id,
              created_at: iso(createdAt),
              attempted_at: isoOrNull(attemptedAt),
              next_attempt_at: isoOrNull(nextAttemptAt),
            }),
          ),
        };
      },
    );
  };
