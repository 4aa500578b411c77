import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { keyDoor } from '../../door.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { bodyErrors, error, idempotencyKey } from '../../operation.ts';
import { BEFORE_EXPIRY, movesCredits } from '../holds.ts';
import { noteFields, noteOf } from '../note.ts';
import { post } from '../post.ts';
import { Amount, DebitedEnvelope, toDebited } from '../schemas.ts';

/** POST /api/v1/users/:user_id/reversals: gives back what a debit or a capture has taken. */
export const reverseRoute =
  (ledger: Ledger): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = keyDoor({
      id: 'reverse',
      summary: 'Give back a debit or a capture',
      path: '/reversals',
      scope: 'credits:grant',
    });
    app.post(
      url,
      {
        ...options,
        schema: {
          ...schema,
          description:
            'In parts, too, and never more than it took. The credits go back to the lots that ' +
            `they came from, with their expiry. ${BEFORE_EXPIRY}`,
          ...movesCredits,
          body: Type.Object(
            {
              seq: Type.Integer({
                minimum: 1,
                maximum: Number.MAX_SAFE_INTEGER,
                description: 'The `seq` of the debit or capture.',
              }),
              units: Type.Optional(Amount),
              ...noteFields,
            },
            { additionalProperties: false },
          ),
          response: {
            200: DebitedEnvelope,
            ...bodyErrors,
            404: error('This user has no such entry.'),
            409: error(
              'The entry is no debit or capture, less is left of it, the balance would pass ' +
                '2^53 - 1, or the Idempotency-Key was used for another request.',
            ),
          },
        },
      },
      async (request, reply) => {
        const { seq: reversesSeq, units: amount = null, ...note } = request.body;
        const entry = await post(
          ledger,
          {
            kind: 'reverse',
            ...request.account,
            idempotencyKey: idempotencyKey(request),
            ...{ reversesSeq, amount, ...noteOf(note) },
          },
          reply,
        );
        return { data: toDebited(entry) };
      },
    );
  };
