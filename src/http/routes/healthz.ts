import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { commonErrors } from '../../operation.ts';

export interface Health {
  /** Resolves when the database answers; throws what is a 503 when it does not. */
  readonly checkDatabase: () => Promise<void>;
  /** True when every request is the test user: only ever in tests. */
  readonly authDisabled: boolean;
  readonly version: string;
}

/** GET /healthz: whether this server can do its work, asked of the database. */
export const healthzRoute =
  ({ checkDatabase, authDisabled, version }: Health): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.get(
      '/healthz',
      {
        schema: {
          operationId: 'healthz',
          summary: 'Whether the server and its database work',
          tags: ['Health'],
          security: [],
          response: {
            200: Envelope(
              Type.Object({
                status: Type.Literal('ok'),
                database: Type.Literal('ok'),
                version: Type.String(),
                auth_disabled: Type.Optional(Type.Literal(true)),
              }),
            ),
            503: commonErrors[503],
          },
        },
      },
      async () => {
        await checkDatabase();
        return {
          data: {
            status: 'ok' as const,
            database: 'ok' as const,
            version,
            ...(authDisabled && { auth_disabled: true as const }),
          },
        };
      },
    );
  };
