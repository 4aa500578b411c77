import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { keyDoor } from '../../door.ts';
import { Envelope } from '../../envelope.ts';
import { PurserError } from '../../errors.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { error, guardedErrors, NoQuery } from '../../operation.ts';
import { Hold, HoldPath, toHold } from '../holds.ts';

/** GET /api/v1/users/:user_id/holds/:hold_id: what became of a hold. */
export const getHoldRoute =
  (ledger: Ledger): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = keyDoor({
      id: 'getHold',
      summary: 'What became of a hold',
      path: '/holds/:hold_id',
      scope: 'credits:read',
    });
    app.get(
      url,
      {
        ...options,
        schema: {
          ...schema,
          params: HoldPath,
          querystring: NoQuery,
          response: {
            200: Envelope(Hold),
            ...guardedErrors,
            404: error('This user has no such hold.'),
          },
        },
      },
      async ({ account, params }) => {
        const found = await ledger.hold(account.userId, params.hold_id);
        if (!found) throw new PurserError('hold_not_found');
        return { data: toHold(found) };
      },
    );
  };
