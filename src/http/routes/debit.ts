import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Ledger } from '../../ledger/ledger.ts';
import { Amount, Reason } from '../schemas.ts';
import { spend, spendSchema } from '../spend.ts';

/** POST /api/v1/credits/debit: takes credits from the signed-in user, or answers 402. */
export const debitRoute =
  (ledger: Ledger): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post(
      '/api/v1/credits/debit',
      {
        schema: {
          operationId: 'debit',
          summary: 'Spend credits',
          ...spendSchema,
          body: Type.Object(
            { delta: Amount, reason: Type.Optional(Reason) },
            { additionalProperties: false },
          ),
        },
      },
      async (request, reply) => {
        const { delta: amount, reason = null } = request.body;
        return spend(ledger, request, reply, { amount, reason, ref: null });
      },
    );
  };
