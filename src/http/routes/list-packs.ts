import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import { commonErrors, NoQuery } from '../../operation.ts';

const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(
  schema: T,
  description: string,
) => Type.Union([schema, Type.Null()], { description });

const Pack = Type.Object({
  price: Type.String({ description: 'The id of Stripe’s Price.' }),
  name: orNull(Type.String(), 'What it is called.'),
  description: orNull(Type.String(), 'What it is.'),
  credits: Type.Integer({ description: 'Credits for one unit.' }),
  category: orNull(
    Type.Enum(['purchase', 'included', 'bonus'] as const),
    'What its credits count as; null for what the kind of payment says.',
  ),
  expires: Type.String({ description: 'never, such as 30 days, or period_end.' }),
  amount: orNull(
    Type.Integer(),
    'The price of one unit in the currency’s smallest unit; null while Stripe has not told it.',
  ),
  currency: orNull(Type.String(), 'Three lower-case letters; null while Stripe has not told it.'),
  recurring: orNull(
    Type.Object({
      interval: Type.String({ description: 'day, week, month or year.' }),
      interval_count: Type.Integer(),
    }),
    'How often it is paid; null for once, and while Stripe has not told it.',
  ),
});

/**
 * GET /api/v1/packs: what is for sale. Open to anyone, because a pricing page is read before the
 * sign-in and says nothing that Stripe's own page would not. Like the health checks it has no
 * limit: behind a proxy all callers may share an address, so one of them could close the shop for
 * the others. Instead `listPacks` answers from memory for some seconds, so that no number of
 * callers reaches the database; browsers and proxies may keep it for a minute.
 */
export const listPacksRoute =
  (listPacks: () => Promise<readonly Static<typeof Pack>[]>): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.get(
      '/api/v1/packs',
      {
        schema: {
          operationId: 'listPacks',
          summary: 'What is for sale',
          description: 'For a pricing page: needs no sign-in. The cheapest first.',
          tags: ['Shop'],
          security: [],
          querystring: NoQuery,
          response: { 200: Type.Object({ data: Type.Array(Pack) }), ...commonErrors },
        },
      },
      async (_request, reply) => {
        const data = [...(await listPacks())];
        reply.header('cache-control', 'public, max-age=60');
        return { data };
      },
    );
  };

export type ListPacks = Parameters<typeof listPacksRoute>[0];
