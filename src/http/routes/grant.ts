import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { keyDoor } from '../../door.ts';
import { PurserError } from '../../errors.ts';
import { MAX_PRIORITY } from '../../ledger/core/command.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { bodyErrors, error, idempotencyKey, NoQuery } from '../../operation.ts';
import { noteFields, noteOf } from '../note.ts';
import { post } from '../post.ts';
import { Amount, GivenReason, GrantedEnvelope, IdempotencyHeaders, toGranted } from '../schemas.ts';

const Category = Type.Enum(['bonus', 'adjustment', 'included', 'purchase'] as const, {
  description:
    'What the credits count as. Of the same priority and expiry they are spent in this order.',
});

const Priority = Type.Integer({
  minimum: -MAX_PRIORITY,
  maximum: MAX_PRIORITY,
  description:
    'Credits of a lower priority are spent first, whatever expires sooner; then what does.',
  default: 0,
});

const ExpiresAt = Type.String({
  format: 'date-time',
  description: 'When what is left of them expires. Left out: never.',
  examples: ['2027-01-31T00:00:00Z'],
});

/** The first moment that an ISO text of four digits for the year cannot name in every zone. */
const TOO_LATE = Date.UTC(9999, 0, 1);

/**
 * POST /api/v1/users/:user_id/grants: gives credits. Only for service keys, and only with a reason,
 * so that every statement says who gave what, and why.
 */
export const grantRoute =
  (ledger: Ledger): FastifyPluginAsyncTypebox =>
  async (app) => {
    const { url, options, schema } = keyDoor({
      id: 'grant',
      summary: 'Give credits',
      path: '/grants',
      scope: 'credits:grant',
    });
    app.post(
      url,
      {
        ...options,
        schema: {
          ...schema,
          description:
            'A bonus, a correction, or what was paid for elsewhere. To take credits back, debit ' +
            'them with a reason: that never leaves less than nothing.',
          headers: Type.Required(IdempotencyHeaders),
          querystring: NoQuery,
          body: Type.Object(
            {
              amount: Amount,
              category: Category,
              ...noteFields,
              reason: GivenReason,
              expires_at: Type.Optional(ExpiresAt),
              priority: Type.Optional(Priority),
            },
            { additionalProperties: false },
          ),
          response: {
            200: GrantedEnvelope,
            ...bodyErrors,
            409: error(
              'The Idempotency-Key was used for another request, the balance would pass 2^53 - 1, ' +
                'or the account has too many open lots.',
            ),
          },
        },
      },
      async (request, reply) => {
        const { amount, category, expires_at: expires, priority = 0, ...note } = request.body;
        const expiresAt = expires === undefined ? null : readExpiry(expires);
        const entry = await post(
          ledger,
          {
            kind: 'grant',
            ...request.account,
            idempotencyKey: idempotencyKey(request),
            grantKey: null,
            stripeEventId: null,
            grants: [{ amount, category, priority, expiresAt, invoiceLine: null, ...noteOf(note) }],
          },
          reply,
        );
        return { data: toGranted(entry) };
      },
    );
  };

/** In milliseconds since 1970. */
function readExpiry(text: string): number {
  const moment = Date.parse(text);
  if (moment < TOO_LATE) return Math.max(0, moment);
  throw new PurserError('invalid_request', {
    message: 'The field `expires_at` must be before the year 9999.',
    fields: { field: 'expires_at' },
  });
}
