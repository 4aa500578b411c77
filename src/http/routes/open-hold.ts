import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { keyDoor } from '../../door.ts';
import { MAX_HOLD_SECONDS } from '../../ledger/core/command.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { bodyErrors, error, idempotencyKey } from '../../operation.ts';
import type { PriceList } from '../../price-list.ts';
import { HeldEnvelope, HoldId, movesCredits, toHeld } from '../holds.ts';
import { noteFields, noteOf } from '../note.ts';
import { leadOf } from '../post.ts';
import { postPriced, priceFields, priceOf } from '../pricing.ts';
import { InsufficientCredits } from '../schemas.ts';

/** POST /api/v1/users/:user_id/holds: reserves credits for something that may take a while. */
export const openHoldRoute =
  (ledger: Ledger, prices: PriceList): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = keyDoor({
      id: 'openHold',
      summary: 'Reserve credits',
      path: '/holds',
      scope: 'credits:spend',
    });
    app.post(
      url,
      {
        ...options,
        schema: {
          ...schema,
          description:
            'What is reserved cannot be spent by anything else until it is captured, released, or ' +
            'its time is over: then it is released by itself.',
          ...movesCredits,
          body: Type.Object(
            {
              ...priceFields,
              expires_in: Type.Integer({
                minimum: 1,
                maximum: MAX_HOLD_SECONDS,
                description: 'After how many seconds it ends by itself.',
                examples: [600],
              }),
              id: Type.Optional(HoldId),
              ...noteFields,
            },
            { additionalProperties: false },
          ),
          response: {
            200: HeldEnvelope,
            ...bodyErrors,
            402: InsufficientCredits,
            409: error(
              'The id was used before, too many holds are open, or the Idempotency-Key was used ' +
                'for another request.',
            ),
            422: error('The price list has no such operation.'),
          },
        },
      },
      async (request, reply) => {
        const { units, id = null, expires_in: seconds, ...asked } = request.body;
        const price = priceOf(prices, 'units', units, asked);
        const opened = await postPriced(ledger, price, ({ amount, operation }) => ({
          kind: 'hold',
          ...request.account,
          idempotencyKey: idempotencyKey(request),
          holdId: id,
          ...{ amount, operation, seconds },
          ...noteOf(asked),
        }));
        return { data: toHeld(leadOf(opened, reply)) };
      },
    );
  };
