import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { keyDoor } from '../../door.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { allowNoBody, idempotencyKey } from '../../operation.ts';
import { BEFORE_EXPIRY, EndedEnvelope, endOfHold, HoldPath, toEnded } from '../holds.ts';
import { noteFields, noteOf } from '../note.ts';
import { post } from '../post.ts';

/** POST /api/v1/users/:user_id/holds/:hold_id/release: lets go what a hold has reserved. */
export const releaseHoldRoute =
  (ledger: Ledger): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = keyDoor({
      id: 'releaseHold',
      summary: 'Let go what a hold has reserved',
      path: '/holds/:hold_id/release',
      scope: 'credits:spend',
    });
    app.post(
      url,
      {
        ...options,
        preValidation: allowNoBody,
        schema: {
          ...schema,
          ...endOfHold,
          params: HoldPath,
          description: `A hold ends once. The body may be left out. ${BEFORE_EXPIRY}`,
          body: Type.Object(noteFields, { additionalProperties: false }),
          response: { ...endOfHold.response, 200: EndedEnvelope },
        },
      },
      async (request, reply) => {
        const entry = await post(
          ledger,
          {
            kind: 'release',
            ...request.account,
            idempotencyKey: idempotencyKey(request),
            holdId: request.params.hold_id,
            ...noteOf(request.body),
          },
          reply,
        );
        return { data: toEnded(entry) };
      },
    );
  };
