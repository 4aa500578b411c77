import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { Envelope } from '../../../envelope.ts';
import type { Balance } from '../../../ledger/read/balance.ts';
import { balanceFields, error, NoQuery, refuseBody } from '../../../operation.ts';
import type { CheckoutStatus } from '../checkout-sync.ts';
import { inTime, stripeErrors } from './shared.ts';

export interface SyncCheckoutSessionOptions {
  readonly sync: (userId: string, session: string) => Promise<CheckoutStatus>;
  readonly balance: (userId: string) => Promise<Balance>;
}

const Synced = Type.Object({
  id: Type.String(),
  status: Type.Enum(['granted', 'pending', 'nothing'] as const, {
    description:
      'granted: its credits have been given. pending: it is not paid yet, or waits for something. ' +
      'nothing: it expired, its payment failed, or it gives no credits.',
  }),
  ...balanceFields,
});

/**
 * POST /api/v1/checkout-sessions/:id/sync: for the page to which a buyer returns, which is often
 * there before the webhook.
 */
export const syncCheckoutSessionRoute =
  ({ sync, balance }: SyncCheckoutSessionOptions): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post(
      '/api/v1/checkout-sessions/:id/sync',
      {
        schema: {
          operationId: 'syncCheckoutSession',
          summary: 'Ask whether a checkout has been paid, and grant it',
          description: 'May be repeated, at any time; takes no body. Only for the buyer.',
          tags: ['Shop'],
          params: Type.Object({ id: Type.String() }),
          querystring: NoQuery,
          response: {
            200: Envelope(Synced),
            ...stripeErrors,
            404: error('You have no such checkout session.'),
          },
        },
      },
      async ({ account: { userId }, params: { id }, body }) => {
        refuseBody(body);
        const status = await inTime(sync(userId, id));
        const { balance: all, available, held } = await balance(userId);
        return { data: { id, status, balance: all, available, held } };
      },
    );
  };
