import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { Door } from '../../door.ts';
import { Envelope } from '../../envelope.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { MAX_ENTRIES, MAX_GROUPS } from '../../ledger/read/usage.ts';
import { credits, guardedErrors } from '../../operation.ts';
import { createPlaces } from '../../places.ts';
import { From, invalidParameter, readSpan, To } from '../entry-filter.ts';

const DAY = 24 * 60 * 60 * 1_000;
const MAX_DAYS = 366;

/**
 * By their places, or UTC: of abbreviations Postgres and the browser's library mean different
 * things, and Postgres takes anything with an offset for a zone.
 */
const ZONE = /^(UTC|[A-Za-z_]+(\/[A-Za-z0-9_+-]+)+)$/;

/** They take turns on four connections, each for up to 2 s: one caller never has all of them. */
const MOST = { of: 'usage queries under way', all: 50, perCaller: 3 } as const;

const sums = {
  spent: credits('Credits of debits and captures, less what reversals gave back in that time.'),
  reversed: credits('Credits that reversals gave back in that time.'),
  count: Type.Integer({ description: 'How many debits and captures.' }),
};

const UsageGroup = Type.Object({
  group: Type.Union([Type.String(), Type.Null()], {
    description: 'The day, such as 2027-01-31, the reason or the operation; null for none.',
  }),
  ...sums,
  quantity: Type.Union([Type.String(), Type.Null()], {
    description: 'How much of the operation, a decimal; reversals do not lower it.',
  }),
});

const Usage = Type.Object({
  groups: Type.Array(UsageGroup, {
    description: `Days in their order, the rest by what was spent; ${MAX_GROUPS} at most.`,
  }),
  rest: Type.Union([Type.Object(sums), Type.Null()], {
    description: 'All groups that are too small to be among these together; null for none.',
  }),
});

/** GET …/credits/usage: what was spent, by day, reason or operation. */
export const getUsageRoute =
  (ledger: Ledger, door: Door): FastifyPluginAsyncTypebox =>
  async (app) => {
    const places = createPlaces(MOST);
    const { url, options, schema } = door({
      id: 'getUsage',
      summary: 'What was spent',
      path: '/credits/usage',
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
            'Sums up the debits, captures and reversals of a time. A reversal counts on the day ' +
            'it was made, for the reason and operation of what it gives back, so a group may be ' +
            'negative; a capture counts for the operation of its hold. Days on which nothing ' +
            `happened are left out. At most ${MAX_DAYS} days and ${MAX_ENTRIES} entries, and ` +
            `${MOST.perCaller} queries of an account at once.`,
          querystring: Type.Object(
            {
              group_by: Type.Enum(['day', 'reason', 'operation'] as const),
              time_zone: Type.Optional(
                Type.String({
                  maxLength: 64,
                  default: 'UTC',
                  description: 'In which days begin: an IANA name with its area, or UTC.',
                  examples: ['Europe/Berlin'],
                }),
              ),
              from: From,
              to: To,
            },
            { additionalProperties: false },
          ),
          response: { 200: Envelope(Usage), ...guardedErrors },
        },
      },
      async ({ account, query: { group_by: groupBy, time_zone: timeZone = 'UTC', ...asked } }) => {
        if (!isTimeZone(timeZone)) {
          throw invalidParameter('time_zone', 'must be a time zone such as Europe/Berlin, or UTC');
        }
        const { from, to } = readSpan(asked);
        if (to - from > MAX_DAYS * DAY) {
          throw invalidParameter('to', `must be at most ${MAX_DAYS} days after \`from\``);
        }
        const giveBack = places.take(`${account.actor} ${account.userId}`);
        const usage = await ledger
          .usage(account.userId, { groupBy, timeZone, from, to })
          .finally(giveBack);
        if (usage) return { data: usage };
        throw invalidParameter('to', `must be earlier: there are over ${MAX_ENTRIES} entries`);
      },
    );
  };

function isTimeZone(name: string): boolean {
  if (!ZONE.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== null;
  } catch {
    return false;
  }
}
