import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Door } from '../../door.ts';
import { Envelope } from '../../envelope.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { bodyErrors, credits, error, NoQuery } from '../../operation.ts';
import type { PriceList } from '../../price-list.ts';
import { priceFields, priceOf } from '../pricing.ts';

const Check = Type.Object({
  affordable: Type.Boolean({ description: 'Whether a debit of that would succeed now.' }),
  required: credits('What it costs.'),
  available: credits('What can be spent now.'),
  shortfall: credits('What is missing: 0, or required - available.'),
});

/** POST …/credits/check: whether something can be afforded. Reads, and promises nothing. */
export const checkCreditsRoute =
  (ledger: Ledger, door: Door, prices: PriceList): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = door({
      id: 'checkCredits',
      summary: 'Can it be afforded?',
      path: '/credits/check',
      scope: 'credits:read',
    });
    app.post(
      url,
      {
        ...options,
        schema: {
          ...schema,
          description:
            'Writes nothing and reserves nothing: what is affordable now may be spent by another ' +
            'request before yours. To be sure, debit or open a hold.',
          querystring: NoQuery,
          body: Type.Object(priceFields, { additionalProperties: false }),
          response: {
            200: Envelope(Check),
            ...bodyErrors,
            422: error('The price list has no such operation.'),
          },
        },
      },
      async ({ account, body: { units, ...asked } }) => {
        const price = priceOf(prices, 'units', units, asked);
        if ('problem' in price) throw price.problem;
        const required = price.amount;
        const { available } = await ledger.balance(account.userId);
        const shortfall = Math.max(required - available, 0);
        return { data: { affordable: shortfall === 0, required, available, shortfall } };
      },
    );
  };
