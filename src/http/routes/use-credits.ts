import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Ledger } from '../../ledger/ledger.ts';
import type { Door } from '../door.ts';
import { Amount, Ref } from '../schemas.ts';
import { spend, spendSchema } from '../spend.ts';

/** POST …/use-credits: the same debit under its other name. */
export const useCreditsRoute =
  (ledger: Ledger, door: Door): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = door({
      id: 'useCredits',
      summary: 'Spend credits (units and ref)',
      path: '/use-credits',
      scope: 'credits:spend',
    });
    app.post(
      url,
      {
        ...options,
        schema: {
          ...schema,
          ...spendSchema,
          body: Type.Object(
            { units: Amount, ref: Type.Optional(Ref) },
            { additionalProperties: false },
          ),
        },
      },
      async (request, reply) => {
        const { units: amount, ref = null } = request.body;
        return spend(ledger, request, reply, { amount, reason: null, ref });
      },
    );
  };
