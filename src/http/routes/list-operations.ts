import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { commonErrors, NoQuery } from '../../operation.ts';
import { type PriceList, shortest } from '../../price-list.ts';

const Operation = Type.Object({
  operation: Type.String(),
  credits: Type.String({ description: 'What one unit costs, an exact decimal.' }),
});

/** GET /api/v1/operations: the price list. Open to anyone, as what is for sale is. */
export const listOperationsRoute =
  (prices: PriceList): FastifyPluginAsyncTypebox =>
  async (app) => {
    const data = [...prices].map(([operation, price]) => ({ operation, credits: shortest(price) }));
    app.get(
      '/api/v1/operations',
      {
        schema: {
          operationId: 'listOperations',
          summary: 'What operations cost',
          description: 'What is used costs quantity × credits, rounded up to whole credits.',
          tags: ['Shop'],
          security: [],
          querystring: NoQuery,
          response: { 200: Type.Object({ data: Type.Array(Operation) }), ...commonErrors },
        },
      },
      async (_request, reply) => {
        reply.header('cache-control', 'public, max-age=60');
        return { data };
      },
    );
  };
