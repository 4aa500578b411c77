import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { guardedErrors, NoQuery } from '../../operation.ts';

/** GET /api/v1/me/hello: who the token says you are. */
export const helloRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/api/v1/me/hello',
    {
      schema: {
        operationId: 'hello',
        summary: 'Who you are',
        tags: ['Session'],
        querystring: NoQuery,
        response: { 200: Envelope(Type.Object({ user: Type.String() })), ...guardedErrors },
      },
    },
    async ({ account }) => ({ data: { user: account.userId } }),
  );
};
