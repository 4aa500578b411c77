import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import { Envelope } from '../../../envelope.ts';
import { PurserError } from '../../../errors.ts';
import {
  conflictError,
  error,
  idempotencyHeaders,
  idempotencyKey,
  NoQuery,
  READABLE,
} from '../../../operation.ts';
import type { OpenedSession, Order } from '../checkout.ts';
import type { ReturnUrls } from '../return-urls.ts';
import { inTime, ReturnUrl, stripeErrors } from './shared.ts';

export interface CreateCheckoutSessionOptions {
  readonly open: (order: Order) => Promise<OpenedSession>;
  readonly urls: ReturnUrls;
}

/** A subscription has at most 20 items, and nobody's basket of credits has more. */
const MAX_ITEMS = 20;

const Price = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: READABLE,
  description: 'The `price` of a pack of GET /api/v1/packs.',
});
const Quantity = Type.Integer({ minimum: 1, maximum: 999_999, description: 'Default 1.' });

const Item = Type.Object(
  { price: Price, quantity: Type.Optional(Quantity) },
  { additionalProperties: false },
);

const Body = Type.Object(
  {
    price: Type.Optional(Price),
    quantity: Type.Optional(Quantity),
    items: Type.Optional(
      Type.Array(Item, {
        minItems: 1,
        maxItems: MAX_ITEMS,
        description: 'Instead of price and quantity: several prices, each once.',
      }),
    ),
    adjustable_quantity: Type.Optional(
      Type.Boolean({ description: 'Whether the buyer may change the quantities. Default false.' }),
    ),
    success_url: Type.Optional(
      ReturnUrl('Stripe puts the session’s id in the place of {CHECKOUT_SESSION_ID}.'),
    ),
    cancel_url: Type.Optional(ReturnUrl('For who does not buy.')),
  },
  { additionalProperties: false },
);

const Opened = Type.Object({
  id: Type.String({ description: 'The checkout session, cs_….' }),
  url: Type.String({ description: 'Send the buyer there.' }),
  expires_at: Type.String({ format: 'date-time', description: 'Until then it can be paid.' }),
});

/** POST /api/v1/checkout-sessions: a page of Stripe's on which the signed-in user pays. */
export const createCheckoutSessionRoute =
  ({ open, urls }: CreateCheckoutSessionOptions): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post(
      '/api/v1/checkout-sessions',
      {
        schema: {
          operationId: 'createCheckoutSession',
          summary: 'Buy credits',
          description:
            'Opens a page of Stripe’s for what is for sale: a payment, or a subscription when a ' +
            'price recurs. Say `price` or `items`.',
          tags: ['Shop'],
          headers: idempotencyHeaders(
            'Repeats of a request with the same key get the same session, marked ' +
              'Idempotency-Replayed: true, for as long as it can be paid: 24 hours.',
          ),
          querystring: NoQuery,
          body: Body,
          response: {
            200: Envelope(Opened),
            ...stripeErrors,
            409: conflictError,
            422: error('Something of it is not for sale, or not together.'),
          },
        },
      },
      async (request, reply) => {
        const { success_url: success, cancel_url: cancel, ...body } = request.body;
        const { id, url, expiresAt, replayed } = await inTime(
          open({
            userId: request.account.userId,
            items: itemsOf(body),
            adjustable: body.adjustable_quantity ?? false,
            successUrl: success === undefined ? urls.success : urls.check('success_url', success),
            cancelUrl: cancel === undefined ? urls.cancel : urls.check('cancel_url', cancel),
            idempotencyKey: idempotencyKey(request),
          }),
        );
        if (replayed) reply.header('idempotency-replayed', 'true');
        return { data: { id, url, expires_at: new Date(expiresAt * 1000).toISOString() } };
      },
    );
  };

function itemsOf({ price, quantity, items }: Static<typeof Body>): Order['items'] {
  if ((price === undefined) === (items === undefined)) throw invalid('Say either price or items.');
  if (items === undefined) return [{ price: price ?? '', quantity: quantity ?? 1 }];
  if (quantity !== undefined) throw invalid('Each of the items has a quantity of its own.');
  if (new Set(items.map((item) => item.price)).size < items.length) {
    throw invalid('The items name a price twice; say how many by its quantity.');
  }
  return items.map((item) => ({ price: item.price, quantity: item.quantity ?? 1 }));
}

const invalid = (message: string) => new PurserError('invalid_request', { message });
