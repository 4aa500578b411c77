import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Door } from '../../door.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import type { PriceList } from '../../price-list.ts';
import { priceFields, priceOf } from '../pricing.ts';
import { Ref } from '../schemas.ts';
import { spend, spendSchema } from '../spend.ts';

/** POST …/use-credits: the same debit under its other name. */
export const useCreditsRoute =
  (ledger: Ledger, door: Door, prices: PriceList): FastifyPluginAsyncTypebox =>
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
            { ...priceFields, ref: Type.Optional(Ref) },
            { additionalProperties: false },
          ),
        },
      },
      async (request, reply) => {
        const { units, ref, ...asked } = request.body;
        const price = priceOf(prices, 'units', units, asked);
        return spend(ledger, request, reply, price, { ref });
      },
    );
  };
