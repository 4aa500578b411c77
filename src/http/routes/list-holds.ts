import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { keyDoor } from '../../door.ts';
import { Envelope } from '../../envelope.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { guardedErrors, NoQuery } from '../../operation.ts';
import { OpenHold, toOpenHold } from '../holds.ts';

/** GET /api/v1/users/:user_id/holds: the open holds, oldest first. */
export const listHoldsRoute =
  (ledger: Ledger): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = keyDoor({
      id: 'listHolds',
      summary: 'The open holds',
      path: '/holds',
      scope: 'credits:read',
    });
    app.get(
      url,
      {
        ...options,
        schema: {
          ...schema,
          querystring: NoQuery,
          response: { 200: Envelope(Type.Array(OpenHold)), ...guardedErrors },
        },
      },
      async ({ account }) => {
        const { holds } = await ledger.balance(account.userId);
        return { data: holds.map(toOpenHold) };
      },
    );
  };
