import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Door } from '../../door.ts';
import type { Entry } from '../../ledger/core/entry.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { guardedErrors } from '../../operation.ts';
import { createPlaces } from '../../places.ts';
import { CSV_HEADER, toCsv } from '../entry-csv.ts';
import { filterFields, toFilter } from '../entry-filter.ts';
import { toStatementEntry } from '../schemas.ts';

interface Format {
  readonly type: string;
  readonly header: string;
  readonly toLine: (entry: Entry) => string;
}

const FORMATS: Readonly<Record<'csv' | 'ndjson', Format>> = {
  csv: {
    type: 'text/csv; charset=utf-8; header=present',
    header: CSV_HEADER,
    toLine: (entry) => toCsv(toStatementEntry(entry)),
  },
  ndjson: {
    type: 'application/x-ndjson',
    header: '',
    toLine: (entry) => `${JSON.stringify(toStatementEntry(entry))}\n`,
  },
};

/** How long a reader may take nothing, in milliseconds; Node gives it up within as long again. */
const READER_PATIENCE = 60_000;

/** Each keeps a batch of entries, and what of it its reader has not taken, in memory. */
const MOST = { of: 'exports under way', all: 50, perCaller: 4 } as const;

const file = (description: string) => ({ schema: Type.String({ description }) });

/** GET …/credits/entries/export: the statement as a file, oldest first. */
export const exportEntriesRoute =
  (ledger: Ledger, door: Door): FastifyPluginAsyncTypebox =>
  async (app) => {
    const places = createPlaces(MOST);
    const { url, options, schema } = door({
      id: 'exportEntries',
      summary: 'The statement as a file',
      path: '/credits/entries/export',
      under: '/me',
      scope: 'credits:read',
    });
    app.get(
      url,
      {
        ...options,
        // A HEAD would read it all, for nobody.
        exposeHeadRoute: false,
        schema: {
          ...schema,
          description:
            'All entries until now, oldest first, so that the balance runs down the file. What ' +
            'happens while it is read is not in it. A file that cannot be completed ends with a ' +
            `broken connection, never early and well. At most ${MOST.perCaller} of an account at once.`,
          querystring: Type.Object(
            { format: Type.Enum(['csv', 'ndjson'] as const), ...filterFields },
            { additionalProperties: false },
          ),
          response: {
            200: {
              description: 'The file.',
              content: {
                'text/csv': file(
                  'RFC 4180, with a header; null is empty. A text that a spreadsheet would take ' +
                    'for a formula has an apostrophe before it.',
                ),
                'application/x-ndjson': file('Each line is an entry as a page of them has it.'),
              },
            },
            ...guardedErrors,
          },
        },
      },
      async ({ account, log, query: { format, ...asked } }, reply) => {
        const { type, header, toLine } = FORMATS[format];
        reply.raw.once('close', places.take(`${account.actor} ${account.userId}`));
        const batches = ledger.stream(account.userId, toFilter(asked));
        // So that a database that is away now is an ordinary error.
        const first = await batches.next();
        const lines = Readable.from(write(header, first, batches, toLine));
        lines.on('error', ({ message: reason }) => {
          log.error({ reason }, 'the export broke off');
          // A reset, not an end: over HTTP/1.0, as some proxies speak it, an end looks complete.
          reply.raw.socket?.resetAndDestroy();
        });
        reply.raw.setTimeout(READER_PATIENCE, () => {
          lines.destroy(new Error('the reader has stopped reading'));
        });
        return reply
          .type(type)
          .header('content-disposition', `attachment; filename="credits.${format}"`)
          .send(lines);
      },
    );
  };

/** The pieces of a file: a batch is read when the reader has taken what was before it. */
async function* write(
  header: string,
  first: IteratorResult<readonly Entry[], void>,
  rest: AsyncGenerator<readonly Entry[], void>,
  toLine: (entry: Entry) => string,
): AsyncGenerator<string> {
  const opening = first.done ? [] : first.value;
  yield header + opening.map(toLine).join('');
  for await (const batch of rest) yield batch.map(toLine).join('');
}
