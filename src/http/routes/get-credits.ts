import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Door } from '../../door.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { guardedErrors, NoQuery } from '../../operation.ts';
import { BalanceEnvelope, toBalance } from '../schemas.ts';

/** GET …/credits: what a user has. */
export const getCreditsRoute =
  (ledger: Ledger, door: Door): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = door({
      id: 'getCredits',
      summary: 'The balance',
      path: '/credits',
      under: '/me',
      scope: 'credits:read',
    });
    app.get(
      url,
      {
        ...options,
        schema: {
          ...schema,
          querystring: NoQuery,
          response: { 200: BalanceEnvelope, ...guardedErrors },
        },
      },
      async ({ account }) => ({ data: toBalance(await ledger.balance(account.userId)) }),
    );
  };
