import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { Envelope } from '../../envelope.ts';
import { PurserError } from '../../errors.ts';
import { requireScope } from '../../identity.ts';
import type { DebitCommand, Settled } from '../../ledger/core/command.ts';
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
import { priceFields, priceOf, replay } from '../pricing.ts';
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
/** What an item asks for; of one that has no price, what becomes of it without one. */
type Wish = DebitCommand | Promise<Settled>;

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
        const all = await debitAll(request.body.items, request.identity.actor);
        refuseIfIdle(all);
        return { data: all.map(toResult) };
      },
    );

    /** Stops after a slice that met an outage or a full queue, so that its caller hears of it soon. */
    async function debitAll(items: readonly Item[], actor: Actor): Promise<readonly Settled[]> {
      const all: Settled[] = [];
      while (all.length < items.length && !all.some(isPassing)) {
        const slice = items.slice(all.length, all.length + SLICE);
        all.push(...(await debitSlice(slice.map((item) => read(item, actor)))));
      }
      return items.map((_, i) => all[i] ?? new PurserError('overloaded'));
    }

    async function debitSlice(wishes: readonly Wish[]): Promise<readonly Settled[]> {
      const settled = await Promise.all([
        ledger.postAll(wishes.filter(isCommand)),
        Promise.all(wishes.filter((wish) => !isCommand(wish))),
      ]);
      const [posted, unpriced] = settled.map((all) => all.values());
      return wishes.map((wish) => (isCommand(wish) ? posted : unpriced)?.next().value as Settled);
    }

    function read(item: Item, actor: Actor): Wish {
      const { user_id: userId, units, idempotency_key: key = null, ...asked } = item;
      try {
        const quote = priceOf(prices, 'units', units, asked);
        const { amount, operation } = quote;
        const command: DebitCommand = {
          kind: 'debit',
          ...{ userId, actor, idempotencyKey: key, amount, operation },
          ...noteOf(asked),
        };
        if (!('problem' in quote)) return command;
        return replay(ledger, command, quote.problem).catch(settledWith);
      } catch (error) {
        return Promise.resolve(settledWith(error));
      }
    }
  };

function isCommand(wish: Wish): wish is DebitCommand {
  return 'kind' in wish;
}

/** What is an answer concerns its item alone; everything else fails the request. */
function settledWith(error: unknown): PurserError {
  if (error instanceof PurserError) return error;
  throw error;
}

/** One key for all items would have to be one command. */
function refuseKey(request: Pick<FastifyRequest, 'raw'>): void {
  if (idempotencyKey(request) === null) return;
  throw new PurserError('invalid_request', {
    message: 'A batch has no Idempotency-Key: give each item its own `idempotency_key`.',
    fields: { field: 'idempotency-key' },
  });
}

/** Throws the 503 of a batch of which nothing was carried out, where that is certain. */
function refuseIfIdle(all: readonly Settled[]): void {
  const reason = all.find(isPassing);
  const isIdle = all.every((one) =>
    one instanceof PurserError ? one.code !== 'outcome_unknown' : !one.ok,
  );
  if (reason instanceof PurserError && isIdle) throw reason;
}

/** Whether the same item may do later, or has perhaps succeeded. */
function isPassing(settled: Settled): boolean {
  return settled instanceof PurserError && settled.status === 503;
}

function toResult(settled: Settled): Result {
  if (settled instanceof PurserError) return toFailure(settled);
  if (!settled.ok) return toFailure(toError(settled.refusal));
  return { ok: true, replayed: settled.replayed, data: toDebited(settled.entry) };
}

function toFailure({ code, message, fields }: PurserError): Result {
  return { ok: false, error: { code, message, ...fields } };
}
