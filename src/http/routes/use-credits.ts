import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Ledger } from '../../ledger/ledger.ts';
import { Amount, Ref } from '../schemas.ts';
import { spend, spendSchema } from '../spend.ts';

/** POST /api/v1/use-credits: the same debit under its other name. */
export const useCreditsRoute =
  (ledger: Ledger): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post(
      '/api/v1/use-credits',
      {
        schema: {
          operationId: 'useCredits',
          summary: 'Spend credits (units and ref)',
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
