import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { Envelope } from '../../../envelope.ts';
import { PurserError } from '../../../errors.ts';
import { error, NoQuery, READABLE } from '../../../operation.ts';
import type { StripeApi } from '../../api/api.ts';
import type { PriceBook } from '../../catalogue/price-book.ts';
import type { Customers } from '../../shop/customers.ts';
import { answerOf, isMissing } from '../../shop/refusals.ts';
import type { ReturnUrls } from '../../shop/return-urls.ts';
import { inTime, ReturnUrl, stripeErrors } from '../../shop/routes/shared.ts';

export interface CreateSetupSessionOptions {
  readonly api: StripeApi;
  readonly prices: PriceBook;
  readonly customers: Pick<Customers, 'findOrCreate' | 'replace'>;
  readonly urls: ReturnUrls;
}

/**
 * POST /api/v1/setup-sessions: a page of Stripe's on which the signed-in user saves a card, to be
 * charged while they are away.
 * @see https://docs.stripe.com/payments/save-and-reuse
 */
export const createSetupSessionRoute =
  ({ api, prices, customers, urls }: CreateSetupSessionOptions): FastifyPluginAsyncTypebox =>
  async (app) => {
    async function open(userId: string, price: string, success: string, cancel: string) {
      const fact = answerOf(await prices.find([price])).get(price);
      if (!fact) throw new PurserError('price_not_for_sale', { fields: { price } });
      const ask = (customer: string) =>
        api.ask((client) =>
          client.checkout.sessions.create({
            mode: 'setup',
            customer,
            currency: fact.currency,
            allowed_payment_method_types: ['card'],
            metadata: { user_id: userId },
            success_url: success,
            cancel_url: cancel,
          }),
        );
      const customer = answerOf(await customers.findOrCreate(userId));
      const asked = await ask(customer);
      if (!isMissing(asked, 'customer')) return answerOf(asked);
      return answerOf(await ask(answerOf(await customers.replace(userId, customer))));
    }

    app.post(
      '/api/v1/setup-sessions',
      {
        schema: {
          operationId: 'createSetupSession',
          summary: 'Save a card',
          description: 'Opens a page of Stripe’s that saves a card for auto top-up. Costs nothing.',
          tags: ['Shop'],
          querystring: NoQuery,
          body: Type.Object(
            {
              price: Type.String({
                minLength: 1,
                maxLength: 255,
                pattern: READABLE,
                description: 'What is to be bought with it; its currency is the card’s.',
              }),
              success_url: Type.Optional(ReturnUrl('For who saved a card.')),
              cancel_url: Type.Optional(ReturnUrl('For who did not.')),
            },
            { additionalProperties: false },
          ),
          response: {
            200: Envelope(
              Type.Object({
                id: Type.String({ description: 'The checkout session, cs_….' }),
                url: Type.String({ description: 'Send the user there.' }),
              }),
            ),
            ...stripeErrors,
            422: error('The price is not for sale.'),
          },
        },
      },
      async ({
        account: { userId },
        body: { price, success_url: success, cancel_url: cancel },
      }) => {
        const { id, url } = await inTime(
          open(
            userId,
            price,
            success === undefined ? urls.home : urls.check('success_url', success),
            cancel === undefined ? urls.home : urls.check('cancel_url', cancel),
          ),
        );
        if (!url) {
          throw new PurserError('stripe_refused', { cause: new Error('a session without url') });
        }
        return { data: { id, url } };
      },
    );
  };
