import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Door } from '../../door.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { Cursor, guardedErrors, NextCursor } from '../../operation.ts';
import { filterFields, toFilter } from '../entry-filter.ts';
import { StatementEntry, toStatementEntry } from '../schemas.ts';

/** How many entries a page has when the caller does not say. */
const PAGE = 20;

/** GET …/credits/entries: the statement, newest first. */
export const listEntriesRoute =
  (ledger: Ledger, door: Door): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = door({
      id: 'listEntries',
      summary: 'The statement',
      path: '/credits/entries',
      under: '/me',
      scope: 'credits:read',
    });
    app.get(
      url,
      {
        ...options,
        schema: {
          ...schema,
          description:
            'Every change of the balance, newest first. A page is stable: entries are never ' +
            'changed, and new ones appear only before the first page. Send the same filters with ' +
            'a cursor. A page looks at 10,000 entries at most, so with a filter it may be short, ' +
            'even empty, while next_cursor says that it goes on.',
          querystring: Type.Object(
            {
              ...filterFields,
              limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: PAGE })),
              cursor: Type.Optional(Cursor),
            },
            { additionalProperties: false },
          ),
          response: {
            200: Type.Object({
              data: Type.Array(StatementEntry),
              next_cursor: NextCursor,
            }),
            ...guardedErrors,
          },
        },
      },
      async ({ account, query: { limit = PAGE, cursor, ...asked } }) => {
        const before = cursor === undefined ? null : Number(cursor);
        const filter = toFilter(asked);
        const { entries, next } = await ledger.entries(account.userId, { limit, before, filter });
        return {
          data: entries.map(toStatementEntry),
          next_cursor: next === null ? null : String(next),
        };
      },
    );
  };
