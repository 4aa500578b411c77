import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { keyDoor } from '../../door.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { allowNoBody, idempotencyKey } from '../../operation.ts';
import { BEFORE_EXPIRY, EndedEnvelope, endOfHold, HoldPath, toEnded } from '../holds.ts';
import { noteFields, noteOf } from '../note.ts';
import { post } from '../post.ts';
import { Amount, InsufficientCredits } from '../schemas.ts';

/** POST /api/v1/users/:user_id/holds/:hold_id/capture: spends what a hold has reserved. */
export const captureHoldRoute =
  (ledger: Ledger): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = keyDoor({
      id: 'captureHold',
      summary: 'Spend what a hold has reserved',
      path: '/holds/:hold_id/capture',
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
          description:
            'The rest of it is released in the same entry. A hold ends once. Without a body all of ' +
            `it is spent. ${BEFORE_EXPIRY}`,
          body: Type.Object(
            {
              units: Type.Optional(Amount),
              allow_more: Type.Optional(
                Type.Boolean({
                  description: 'Take what exceeds the hold from the free credits, if they suffice.',
                  default: false,
                }),
              ),
              ...noteFields,
            },
            { additionalProperties: false },
          ),
          response: { ...endOfHold.response, 200: EndedEnvelope, 402: InsufficientCredits },
        },
      },
      async (request, reply) => {
        const { units: amount = null, allow_more: beyond = false, ...note } = request.body;
        const entry = await post(
          ledger,
          {
            kind: 'capture',
            ...request.account,
            idempotencyKey: idempotencyKey(request),
            holdId: request.params.hold_id,
            ...{ amount, beyond, ...noteOf(note) },
          },
          reply,
        );
        return { data: toEnded(entry) };
      },
    );
  };
