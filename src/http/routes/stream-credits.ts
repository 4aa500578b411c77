import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Door } from '../../door.ts';
import type { Streams } from '../../live/streams.ts';
import { guardedErrors, NoQuery } from '../../operation.ts';
import { toBalance } from '../schemas.ts';

const SCOPE = 'credits:read';

/** GET …/credits/stream: the balance now and after every change, as server-sent events. */
export const streamCreditsRoute =
  (streams: Streams, door: Door): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = door({
      id: 'streamCredits',
      summary: 'The balance, live',
      path: '/credits/stream',
      under: '/me',
      scope: SCOPE,
    });
    app.get(
      url,
      {
        ...options,
        // There is no end at which a HEAD could be answered.
        exposeHeadRoute: false,
        schema: {
          ...schema,
          description:
            'Server-sent events `balance`: the `id` is the seq, and the data are what GET …/credits ' +
            'answers as `data`. Of several changes at once only the newest comes. What time alone ' +
            'changes comes when it is written down, some seconds later. Comments keep the ' +
            'connection; the stream ends when the caller may not read any more.',
          querystring: NoQuery,
          headers: Type.Object({
            'last-event-id': Type.Optional(
              Type.Integer({
                minimum: 0,
                maximum: Number.MAX_SAFE_INTEGER,
                description:
                  'The id of the last event that came. When it is still the newest, nothing but ' +
                  'comments comes until a change; after any other the balance comes at once.',
              }),
            ),
          }),
          response: {
            200: {
              description: 'The events, without end.',
              content: { 'text/event-stream': { schema: Type.String() } },
            },
            ...guardedErrors,
          },
        },
      },
      async (request, reply) => {
        const lastSeq = request.headers['last-event-id'] ?? null;
        await streams.open(request, reply, { lastSeq, scope: SCOPE, toBody: toBalance });
        return reply;
      },
    );
  };
