import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Pool } from 'pg';
import { type Static, Type } from 'typebox';
import { PurserError } from '../../errors.ts';
import { bodyErrors, Cursor, error, NextCursor, NoQuery } from '../../operation.ts';
import { MOST_REPLAYED, type Replay, replay } from '../replay.ts';
import {
  cursorOf,
  described,
  EndpointPath,
  forAdmins,
  foundOr404,
  ONE_ENDPOINT,
} from './shared.ts';

const Which = Type.Object(
  {
    alerts: Type.Optional(
      Type.Array(Type.String({ format: 'uuid' }), { minItems: 1, maxItems: 1_000 }),
    ),
    since: Type.Optional(
      Type.String({ format: 'date-time', description: 'Its alerts since then, delivered or not.' }),
    ),
    failed: Type.Optional(Type.Literal(true, { description: 'Those that were given up.' })),
    cursor: Type.Optional(Cursor),
  },
  { additionalProperties: false },
);

/** POST /api/v1/webhook-endpoints/:endpoint_id/replay: delivers alerts again. */
export const replayAlertsRoute =
  (pool: Pool): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post(
      `${ONE_ENDPOINT}/replay`,
      {
        ...forAdmins,
        schema: {
          ...described,
          operationId: 'replayWebhooks',
          summary: 'Deliver alerts to an endpoint again',
          description:
            `Say one of the three; at most ${MOST_REPLAYED} become due at once, the oldest first. ` +
            'Say the same with a cursor until next_cursor is null. Ids stay the same. An alert’s account gets its alerts in order.',
          params: EndpointPath,
          querystring: NoQuery,
          body: Which,
          response: {
            200: Type.Object({
              data: Type.Object({
                due: Type.Integer({ description: 'How many.' }),
                disabled: Type.Boolean({
                  description: 'Whether nothing is sent until the endpoint is enabled.',
                }),
              }),
              next_cursor: NextCursor,
            }),
            ...bodyErrors,
            404: error('There is no such endpoint, or no such alert.'),
          },
        },
      },
      async ({ params: { endpoint_id: id }, body: { cursor = '0', ...which } }) => {
        const found = await replay(pool, id, readWhich(which), Number(cursor));
        const { due, disabled, next } = foundOr404(found);
        return { data: { due, disabled }, next_cursor: cursorOf(next) };
      },
    );
  };

function readWhich({ alerts, since, failed }: Omit<Static<typeof Which>, 'cursor'>): Replay {
  const given = [alerts, since, failed].filter((one) => one !== undefined);
  if (given.length !== 1) {
    const message = 'Say one of `alerts`, `since` and `failed`.';
    throw new PurserError('invalid_request', { message });
  }
  if (alerts) return { alerts };
  return since === undefined ? { failed: true } : { since: Date.parse(since) };
}
