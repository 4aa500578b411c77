import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Ledger } from '../ledger/ledger.ts';
import { bodyErrors, conflictError, error, idempotencyKey, NoQuery } from '../operation.ts';
import { post } from './post.ts';
import type { Price } from './pricing.ts';
import { DebitedEnvelope, IdempotencyHeaders, InsufficientCredits, toDebited } from './schemas.ts';

/** What all routes that spend have in common. */
export const spendSchema = {
  headers: IdempotencyHeaders,
  querystring: NoQuery,
  response: {
    200: DebitedEnvelope,
    ...bodyErrors,
    402: InsufficientCredits,
    409: conflictError,
    422: error('The price list has no such operation.'),
  },
};

/** What a request asks to be spent. */
export interface Spending extends Price {
  readonly reason: string | null;
  readonly ref: string | null;
}

/** Debits the request's account and answers with the new balance, or throws 402 or 409. */
export async function spend(
  ledger: Ledger,
  request: FastifyRequest,
  reply: FastifyReply,
  spending: Spending,
) {
  const { account } = request;
  const key = idempotencyKey(request);
  const entry = await post(
    ledger,
    {
      kind: 'debit',
      ...account,
      idempotencyKey: key,
      ...spending,
      metadata: null,
    },
    reply,
  );
  return { data: toDebited(entry) };
}
