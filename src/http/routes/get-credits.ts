import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Ledger } from '../../ledger/ledger.ts';
import { guardedErrors, NoQuery } from '../../operation.ts';
import { BalanceEnvelope, toBalance } from '../schemas.ts';

/** GET /api/v1/me/credits: what the signed-in user has. */
export const getCreditsRoute =
  (ledger: Ledger): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.get(
      '/api/v1/me/credits',
      {
        schema: {
          operationId: 'getCredits',
          summary: 'Your balance',
          tags: ['Credits'],
          querystring: NoQuery,
          response: { 200: BalanceEnvelope, ...guardedErrors },
        },
      },
      async ({ account }) => ({ data: toBalance(await ledger.balance(account.userId)) }),
    );
  };
