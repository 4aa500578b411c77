import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { keyDoor } from '../../door.ts';
import { Envelope } from '../../envelope.ts';
import { bodyErrors, NoQuery, refuseBody } from '../../operation.ts';

/** Revokes the session tokens of a user; returns since when new ones count, in milliseconds. */
export type RevokeSessions = (userId: string) => Promise<number>;

/** POST /api/v1/users/:user_id/revoke-sessions: signs a user out everywhere. */
export const revokeSessionsRoute =
  (revokeSessions: RevokeSessions): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = keyDoor({
      id: 'revokeSessions',
      summary: 'Revoke the session tokens that were issued until now',
      path: '/revoke-sessions',
      scope: 'admin',
    });
    app.post(
      url,
      {
        ...options,
        schema: {
          ...schema,
          description:
            'Every server refuses them after 5 seconds at the latest. End the session in the ' +
            'front end first: whoever still has its cookie is issued a new token there.',
          querystring: NoQuery,
          response: {
            200: Envelope(
              Type.Object({
                user: Type.String(),
                valid_after: Type.String({
                  format: 'date-time',
                  description: 'Tokens that were issued later are accepted.',
                }),
              }),
            ),
            ...bodyErrors,
          },
        },
      },
      async ({ account: { userId }, body }) => {
        refuseBody(body);
        const validAfter = await revokeSessions(userId);
        return { data: { user: userId, valid_after: new Date(validAfter).toISOString() } };
      },
    );
  };
