import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { PurserError } from '../../errors.ts';
import { requireScope } from '../../identity.ts';
import type { Actor } from '../../ledger/core/entry.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import {
  bodyErrors,
  ID_IN_PATH,
  idempotencyKey,
  NoQuery,
  PRINTABLE_ASCII,
} from '../../operation.ts';
import type { PriceList } from '../../price-list.ts';
import { noteFields, noteOf } from '../note.ts';
import { postPriced, priceFields, priceOf } from '../pricing.ts';
import { toError } from '../refusals.ts';
import { Debited, toDebited } from '../schemas.ts';

const MAX_ITEMS = 1_000;
/** How many may be under way at once: so that a batch leaves others room in every queue. */
const SLICE = 200;
/** In bytes. For the most items that is 1 KiB each; longer texts leave room for fewer. */
const BODY_LIMIT = 1024 * 1024;

const Item = Type.Object(
  {
    user_id: Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: ID_IN_PATH,
      description: 'The user’s id as session tokens say it.',
    }),
    ...priceFields,
    ...noteFields,
    idempotency_key: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, pattern: PRINTABLE_ASCII }),
    ),
  },
  { additionalProperties: false },
);

const Result = Type.Union([
  Type.Object({ ok: Type.Literal(true), replayed: Type.Boolean(), data: Debited }),
  Type.Object({
    ok: Type.Literal(false),
    error: Type.Object(
      { code: Type.String(), message: Type.String() },
      { additionalProperties: true, description: 'With the fields that the error has alone.' },
    ),
  }),
]);

type Item = Static<typeof Item>;
type Result = Static<typeof Result>;
type Outcome = Extract<Result, { ok: true }> | PurserError;

/** POST /api/v1/debits/batch: many debits at once, each of which succeeds or fails by itself. */
export const debitBatchRoute =
  (ledger: Ledger, prices: PriceList): FastifyPluginAsyncTypebox =>
  async (app) => {
    app.post(
      '/api/v1/debits/batch',
      {
        bodyLimit: BODY_LIMIT,
        preParsing: requireScope('credits:spend'),
        // One made from the schema would validate each result, to know which of the two it is.
        serializerCompiler: () => JSON.stringify,
        schema: {
          operationId: 'debitBatch',
          summary: 'Spend credits of many users',
          description:
            'A body that is not as described here is refused as a whole, with the first wrong ' +
            'item’s field. Else each item has an outcome of its own, in the order of the items, ' +
            'with the error that it would have met alone. Those of one user are carried out in ' +
            'order. Give each its own idempotency_key (an Idempotency-Key header is refused): a ' +
            'batch whose answer was lost can then be sent again as it is, and so can one with ' +
            'items that ended as overloaded, database_unavailable or outcome_unknown. Where ' +
            'nothing was carried out for such a reason, all of it is a 503.',
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
        const outcomes = await debitAll(request.body.items, request.identity.actor);
        refuseIfIdle(outcomes);
        return { data: outcomes.map(toResult) };
      },
    );

    /** Stops after a slice that met an outage or a full queue, so that its caller hears of it soon. */
    async function debitAll(items: readonly Item[], actor: Actor): Promise<readonly Outcome[]> {
      const outcomes: Outcome[] = [];
      while (outcomes.length < items.length && !outcomes.some(isPassing)) {
        const slice = items.slice(outcomes.length, outcomes.length + SLICE);
        outcomes.push(...(await Promise.all(slice.map((item) => debit(item, actor)))));
      }
      return items.map((_, i) => outcomes[i] ?? new PurserError('overloaded'));
    }

    async function debit(item: Item, actor: Actor): Promise<Outcome> {
      const { user_id: userId, units, idempotency_key: key = null, ...asked } = item;
      try {
        const price = priceOf(prices, 'units', units, asked);
        const outcome = await postPriced(ledger, price, ({ amount, operation }) => ({
          kind: 'debit',
          ...{ userId, actor, idempotencyKey: key, amount, operation },
          ...noteOf(asked),
        }));
        if (!outcome.ok) return toError(outcome.refusal);
        return { ok: true, replayed: outcome.replayed, data: toDebited(outcome.entry) };
      } catch (error) {
        if (error instanceof PurserError) return error;
        throw error;
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

/** Throws the 503 of a batch of which nothing was carried out, where that is certain. */
function refuseIfIdle(outcomes: readonly Outcome[]): void {
  const errors = outcomes.filter((one) => one instanceof PurserError);
  const isIdle = errors.length === outcomes.length;
  const reason = errors.find(isPassing);
  if (reason && isIdle && errors.every(({ code }) => code !== 'outcome_unknown')) throw reason;
}

/** Whether the same item may do later, or has perhaps succeeded. */
function isPassing(outcome: Outcome): boolean {
  return outcome instanceof PurserError && outcome.status === 503;
}

function toResult(outcome: Outcome): Result {
  if (!(outcome instanceof PurserError)) return outcome;
  const { code, message, fields } = outcome;
  return { ok: false, error: { code, message, ...fields } };
}
