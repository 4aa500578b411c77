import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Pool } from 'pg';
import { type Static, Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { PurserError } from '../../errors.ts';
import { bodyErrors, error, NoQuery } from '../../operation.ts';
import { MOST_REPLAYED, type Replay, replay } from '../deliveries.ts';
import { described, EndpointPath, forAdmins, foundOr404, ONE_ENDPOINT } from './shared.ts';

const Which = Type.Object(
  {
    alerts: Type.Optional(
      Type.Array(Type.String({ format: 'uuid' }), { minItems: 1, maxItems: 1_000 }),
    ),
    since: Type.Optional(
      Type.String({ format: 'date-time', description: 'Its alerts since then, delivered or not.' }),
    ),
    failed: Type.Optional(Type.Literal(true, { description: 'Those that were given up.' })),
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
            'Ids stay the same. An alert’s account gets its alerts in order.',
          params: EndpointPath,
          querystring: NoQuery,
          body: Which,
          response: {
            200: Envelope(Type.Object({ due: Type.Integer({ description: 'How many.' }) })),
            ...bodyErrors,
            404: error('There is no such endpoint.'),
          },
        },
      },
      async ({ params: { endpoint_id: id }, body }) => ({
        data: { due: foundOr404(await replay(pool, id, readWhich(body))) },
      }),
    );
  };

function readWhich({ alerts, since, failed }: Static<typeof Which>): Replay {
  const given = [alerts, since, failed].filter((one) => one !== undefined);
  if (given.length !== 1) {
    const message = 'Say one of `alerts`, `since` and `failed`.';
    throw new PurserError('invalid_request', { message });
  }
  if (alerts) return { alerts };
  return since === undefined ? { failed: true } : { since: Date.parse(since) };
}
