import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Door } from '../../door.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import type { PriceList } from '../../price-list.ts';
import { operationFields, priceOf } from '../pricing.ts';
import { Amount, Reason } from '../schemas.ts';
import { spend, spendSchema } from '../spend.ts';

/** POST …/credits/debit: takes credits from a user, or answers 402. */
export const debitRoute =
  (ledger: Ledger, door: Door, prices: PriceList): FastifyPluginAsyncTypebox =>
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
            { delta: Type.Optional(Amount), ...operationFields, reason: Type.Optional(Reason) },
            { additionalProperties: false },
          ),
        },
      },
      async (request, reply) => {
        const { delta, reason, ...asked } = request.body;
        const price = priceOf(prices, 'delta', delta, asked);
        return spend(ledger, request, reply, price, { reason });
      },
    );
  };
