import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Ledger } from '../ledger/ledger.ts';
import { bodyErrors, conflictError, idempotencyKey, NoQuery } from '../operation.ts';
import { toError } from './refusals.ts';
import { DebitedEnvelope, IdempotencyHeaders, InsufficientCredits, toDebited } from './schemas.ts';

/** What all routes that spend have in common. */
export const spendSchema = {
  tags: ['Credits'],
  headers: IdempotencyHeaders,
  querystring: NoQuery,
  response: {
    200: DebitedEnvelope,
    ...bodyErrors,
    402: InsufficientCredits,
    409: conflictError,
  },
};

/** What a request asks to be spent. */
export interface Spending {
  readonly amount: number;
  readonly reason: string | null;
  readonly ref: string | null;
}

/** Debits the request's account and answers with the new balance, or throws 402 or 409. */
export async function spend(
  ledger: Ledger,
  request: FastifyRequest,
  reply: FastifyReply,
  { amount, reason, ref }: Spending,
) {
  const { userId, actor } = request.account;
  const outcome = await ledger.post({
    kind: 'debit',
    userId,
    actor,
    idempotencyKey: idempotencyKey(request),
    amount,
    reason,
    ref,
    metadata: null,
    operation: null,
  });
  if (!outcome.ok) throw toError(outcome.refusal);
  if (outcome.replayed) reply.header('idempotency-replayed', 'true');
  return { data: toDebited(outcome.entry) };
}
