import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Ledger } from '../../ledger/ledger.ts';
import type { Door } from '../door.ts';
import { Amount, Reason } from '../schemas.ts';
import { spend, spendSchema } from '../spend.ts';

/** POST …/credits/debit: takes credits from a user, or answers 402. */
export const debitRoute =
  (ledger: Ledger, door: Door): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = door({
      id: 'debit',
      summary: 'Spend credits',
      path: '/credits/debit',
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
