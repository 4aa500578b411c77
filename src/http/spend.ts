import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Ledger } from '../ledger/ledger.ts';
import { bodyErrors, conflictError, error, idempotencyKey, NoQuery } from '../operation.ts';
import { noteOf } from './note.ts';
import { leadOf } from './post.ts';
import { postPriced, type Quote } from './pricing.ts';
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

/** Debits the request's account and answers with the new balance, or throws 402, 409 or 422. */
export async function spend(
  ledger: Ledger,
  request: FastifyRequest,
  reply: FastifyReply,
  quote: Quote,
  note: Parameters<typeof noteOf>[0],
) {
  const spent = await postPriced(ledger, quote, ({ amount, operation }) => ({
    kind: 'debit',
    ...request.account,
    idempotencyKey: idempotencyKey(request),
    ...{ amount, operation },
    ...noteOf(note),
  }));
  return { data: toDebited(leadOf(spent, reply)) };
}
