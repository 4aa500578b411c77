import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { Envelope } from '../../envelope.ts';

/** GET /livez: the process answers; says nothing about the database. */
export const livezRoute: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/livez',
    {
      schema: {
        operationId: 'livez',
        summary: 'Whether the process runs',
        tags: ['Health'],
        security: [],
        response: { 200: Envelope(Type.Object({ status: Type.Literal('ok') })) },
      },
    },
    async () => ({ data: { status: 'ok' as const } }),
  );
};
