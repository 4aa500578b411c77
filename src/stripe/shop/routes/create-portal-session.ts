import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { Envelope } from '../../../envelope.ts';
import { PurserError } from '../../../errors.ts';
import { error, NoQuery } from '../../../operation.ts';
import type { StripeApi } from '../../api/api.ts';
import type { Customers } from '../customers.ts';
import { answerOf, isMissing } from '../refusals.ts';
import type { ReturnUrls } from '../return-urls.ts';
import { inTime, ReturnUrl, stripeErrors } from './shared.ts';

export interface CreatePortalSessionOptions {
  readonly api: StripeApi;
  readonly customers: Pick<Customers, 'find' | 'forget'>;
  readonly urls: ReturnUrls;
}

/**
 * POST /api/v1/portal-sessions: a page of Stripe's with the signed-in user's subscriptions, cards
 * and invoices.
 */
export const createPortalSessionRoute =
  ({ api, customers, urls }: CreatePortalSessionOptions): FastifyPluginAsyncTypebox =>
  async (app) => {
    async function open(userId: string, returnUrl: string): Promise<string> {
      const customer = await customers.find(userId);
      if (customer === null) throw new PurserError('no_customer');
      const answer = await api.ask((client) =>
        client.billingPortal.sessions.create({ customer, return_url: returnUrl }),
      );
      if (isMissing(answer, 'customer')) {
        await customers.forget(customer);
        throw new PurserError('no_customer');
      }
      return answerOf(answer).url;
    }

    app.post(
      '/api/v1/portal-sessions',
      {
        schema: {
          operationId: 'createPortalSession',
          summary: 'Manage subscriptions and cards',
          description: 'Opens Stripe’s customer portal for the signed-in user.',
          tags: ['Shop'],
          querystring: NoQuery,
          body: Type.Object(
            { return_url: Type.Optional(ReturnUrl('Where the portal’s way back leads.')) },
            { additionalProperties: false },
          ),
          response: {
            200: Envelope(
              Type.Object({ url: Type.String({ description: 'Send the user there.' }) }),
            ),
            ...stripeErrors,
            409: error('The user has bought nothing yet, so Stripe knows no such customer.'),
          },
        },
      },
      async ({ account: { userId }, body: { return_url: given } }) => {
        const returnUrl = given === undefined ? urls.home : urls.check('return_url', given);
        return { data: { url: await inTime(open(userId, returnUrl)) } };
      },
    );
  };
