import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { PurserError } from '../../errors.ts';
import { requireScope } from '../../identity.ts';
import type { Actor } from '../../ledger/entry.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { bodyErrors, idempotencyKey, NoQuery, PRINTABLE_ASCII, UserPath } from '../../operation.ts';
import type { PriceList } from '../../price-list.ts';
import { noteFields, noteOf } from '../note.ts';
import { postPriced, priceFields, priceOf } from '../pricing.ts';
import { toError } from '../refusals.ts';
import { Debited, toDebited } from '../schemas.ts';

const MAX_ITEMS = 1_000;
/** In bytes: so that the most items fit with an operation, a reason and a ref each. */
const BODY_LIMIT = 1024 * 1024;

const Item = Type.Object(
  {
    ...UserPath.properties,
    ...priceFields,
    ...noteFields,
    idempotency_key: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, pattern: PRINTABLE_ASCII }),
    ),
  },
  { additionalProperties: false },
);

const Result = Type.Object({
  ok: Type.Boolean(),
  data: Type.Optional(Debited),
  replayed: Type.Optional(Type.Boolean()),
  error: Type.Optional(
    Type.Object({ code: Type.String(), message: Type.String() }, { additionalProperties: true }),
  ),
});

/** POST /api/v1/debits/batch: many debits at once, each of which succeeds or fails by itself. */
export const debitBatchRoute =
  (ledger: Ledger, prices: PriceList): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post(
      '/api/v1/debits/batch',
      {
        bodyLimit: BODY_LIMIT,
        preParsing: requireScope('credits:spend'),
        schema: {
          operationId: 'debitBatch',
          summary: 'Spend credits of many users',
          description:
            'Each item has an outcome of its own, in the order of the items, with the error that ' +
            'it would have met alone. Give each its own idempotency_key: a batch whose answer was ' +
            'lost can then be sent again as it is. An Idempotency-Key header is refused.',
          tags: ['Service keys'],
          security: [{ service_key: ['credits:spend'] }],
          querystring: NoQuery,
          body: Type.Object(
            { items: Type.Array(Item, { minItems: 1, maxItems: MAX_ITEMS }) },
            { additionalProperties: false },
          ),
          response: { 200: Envelope(Type.Array(Result)), ...bodyErrors },
        },
      },
      async (request) => {
        refuseKey(request);
        const { identity, body } = request;
        return { data: await Promise.all(body.items.map((item) => debit(item, identity.actor))) };
      },
    );

    async function debit(item: Static<typeof Item>, actor: Actor): Promise<Static<typeof Result>> {
      const { user_id: userId, units, idempotency_key: idempotencyKey = null, ...asked } = item;
      try {
        const price = priceOf(prices, 'units', units, asked);
        const outcome = await postPriced(ledger, price, ({ amount, operation }) => ({
          kind: 'debit',
          ...{ userId, actor, idempotencyKey, amount, operation },
          ...noteOf(asked),
        }));
        if (!outcome.ok) throw toError(outcome.refusal);
        return { ok: true, replayed: outcome.replayed, data: toDebited(outcome.entry) };
      } catch (error) {
        if (!(error instanceof PurserError)) throw error;
        const { code, message, fields } = error;
        return { ok: false, error: { code, message, ...fields } };
      }
    }
  };

/** One key for all items would have to be one command. */
function refuseKey(request: Pick<FastifyRequest, 'raw'>): void {
  if (idempotencyKey(request) === null) return;
  throw new PurserError('invalid_request', {
    message: 'A batch has no Idempotency-Key: give each item its own `idempotency_key`.',
    fields: { field: 'idempotency-key' },
  });
}
