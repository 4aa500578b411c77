import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Door } from '../../../door.ts';
import { Envelope } from '../../../envelope.ts';
import { MAX_AMOUNT } from '../../../ledger/core/command.ts';
import { error, guardedErrors, NoQuery, READABLE } from '../../../operation.ts';
import { inTime, stripeErrors } from '../../shop/routes/shared.ts';
import type { OptIn } from '../opt-in.ts';
import type { Settings, TopUpSettings } from '../settings.ts';

export interface AutoTopUpOptions {
  readonly optIn: OptIn;
  readonly settings: Pick<TopUpSettings, 'find' | 'switchOff'>;
  /** Looks whether the user is to be topped up, with nobody waiting; never throws. */
  readonly topUp: (userId: string) => void;
}

const PLACE = { path: '/auto-top-up', under: '/me', tag: 'Shop' } as const;

const Price = Type.String({ minLength: 1, maxLength: 255, pattern: READABLE });
const Threshold = Type.Integer({
  minimum: 1,
  maximum: MAX_AMOUNT,
  description: 'Fewer available credits than this are topped up; at most what one top-up gives.',
});
const MonthlyCap = Type.Integer({
  minimum: 1,
  maximum: 99_999_999,
  description:
    'The most that is charged in a calendar month (UTC), in the smallest unit of the price’s ' +
    'currency.',
});

const Body = Type.Object(
  {
    price: Price,
    quantity: Type.Optional(Type.Integer({ minimum: 1, maximum: 999_999, default: 1 })),
    threshold: Threshold,
    monthly_cap: MonthlyCap,
  },
  { additionalProperties: false },
);

const orNull = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Time = Type.String({ format: 'date-time' });

/** Everything but `enabled` is null for a user who never opted in. */
const State = Type.Object({
  enabled: Type.Boolean(),
  price: orNull(Type.String()),
  quantity: orNull(Type.Integer()),
  threshold: orNull(Type.Integer()),
  monthly_cap: orNull(Type.Integer()),
  amount: orNull(Type.Integer({ description: 'What one top-up costs.' })),
  currency: orNull(Type.String()),
  spent_this_month: orNull(Type.Integer({ description: 'Of the monthly cap, so far.' })),
  in_progress: Type.Boolean({ description: 'One is under way; no other begins before it ends.' }),
  retry_at: orNull({
    ...Time,
    description: 'Nothing is tried before: after a failure, or while the price is not for sale.',
  }),
  stopped_reason: orNull(
    Type.String({
      description:
        'Why Purser switched it off: payment_reversed after a refund or dispute; not_granted when ' +
        'its payment shall give no credits; resource_missing when Stripe no longer has the ' +
        'customer, the card or the price; after the third failure in a row the code of the last ' +
        'one: Stripe’s, such as card_declined or authentication_required, or amount_changed when ' +
        'the invoice would have cost something else, or invoice_void when somebody voided it.',
    }),
  ),
});

/** GET and DELETE …/auto-top-up: the settings, for the user and for those who support them. */
export const autoTopUpRoutes =
  (settings: AutoTopUpOptions['settings'], door: Door): FastifyPluginAsyncTypebox =>
  async (app) => {
    const see = door({
      id: 'getAutoTopUp',
      summary: 'Whether credits are bought by themselves',
      ...PLACE,
      scope: 'credits:read',
    });
    app.get(
      see.url,
      {
        ...see.options,
        schema: {
          ...see.schema,
          querystring: NoQuery,
          response: { 200: Envelope(State), ...guardedErrors },
        },
      },
      async ({ account: { userId } }) => ({ data: toState(await settings.find(userId)) }),
    );

    const end = door({
      id: 'deleteAutoTopUp',
      summary: 'No longer have credits bought by themselves',
      ...PLACE,
      scope: 'admin',
    });
    app.delete(
      end.url,
      {
        ...end.options,
        schema: {
          ...end.schema,
          description: 'One whose payment is under way at that moment is still carried out.',
          querystring: NoQuery,
          response: { 200: Envelope(State), ...guardedErrors },
        },
      },
      async ({ account: { userId } }) => {
        await settings.switchOff(userId);
        return { data: toState(await settings.find(userId)) };
      },
    );
  };

/** PUT /api/v1/me/auto-top-up: for the user alone, whose card is charged. */
export const optInRoute =
  ({ optIn, settings, topUp }: AutoTopUpOptions): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.put(
      '/api/v1/me/auto-top-up',
      {
        schema: {
          operationId: 'putAutoTopUp',
          summary: 'Have credits bought by themselves',
          description:
            'Charges the newest saved card whenever fewer than `threshold` credits are ' +
            'available, also right away, unless nothing was spent or reserved since the last ' +
            'top-up. Replaces what was said before. Were credits taken back since the last answer ' +
            'said that it is on, it is off now, with `stopped_reason` payment_reversed, until it ' +
            'is said once more.',
          tags: ['Shop'],
          querystring: NoQuery,
          body: Body,
          response: {
            200: Envelope(State),
            ...stripeErrors,
            409: error('No card is saved: open a setup session first.'),
            422: error('The price is not for sale, or not for this.'),
          },
        },
      },
      async ({ account: { userId }, body }) => {
        const { price, quantity = 1, threshold, monthly_cap: monthlyCap } = body;
        await inTime(optIn({ userId, price, quantity, threshold, monthlyCap }));
        const state = toState(await settings.find(userId));
        topUp(userId);
        return { data: state };
      },
    );
  };

function toState(found: Settings | null) {
  return {
    enabled: found?.enabled ?? false,
    price: found?.price ?? null,
    quantity: found?.quantity ?? null,
    threshold: found?.threshold ?? null,
    monthly_cap: found?.monthlyCap ?? null,
    amount: found?.amount ?? null,
    currency: found?.currency ?? null,
    spent_this_month: found?.spentThisMonth ?? null,
    in_progress: found?.inProgress ?? false,
    retry_at: found?.retryAt?.toISOString() ?? null,
    stopped_reason: found?.stoppedReason ?? null,
  };
}
