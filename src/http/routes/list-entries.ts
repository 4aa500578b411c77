import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Ledger } from '../../ledger/ledger.ts';
import { guardedErrors } from '../../operation.ts';
import { Cursor, StatementEntry, toStatementEntry } from '../schemas.ts';

/** How many entries a page has when the caller does not say. */
const PAGE = 20;

/** GET /api/v1/me/credits/entries: the statement, newest first. */
export const listEntriesRoute =
  (ledger: Ledger): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.get(
      '/api/v1/me/credits/entries',
      {
        schema: {
          operationId: 'listEntries',
          summary: 'Your statement',
          description:
            'Every change of the balance, newest first. A page is stable: entries are never ' +
            'changed, and new ones appear only before the first page.',
          tags: ['Credits'],
          querystring: Type.Object(
            {
              limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: PAGE })),
              cursor: Type.Optional(Cursor),
            },
            { additionalProperties: false },
          ),
          response: {
            200: Type.Object({
              data: Type.Array(StatementEntry),
              next_cursor: Type.Union([Type.String(), Type.Null()]),
            }),
            ...guardedErrors,
          },
        },
      },
      async ({ account, query: { limit = PAGE, cursor } }) => {
        const before = cursor === undefined ? null : Number(cursor);
        const { entries, next } = await ledger.entries(account.userId, { limit, before });
        return {
          data: entries.map(toStatementEntry),
          next_cursor: next === null ? null : String(next),
        };
      },
    );
  };
