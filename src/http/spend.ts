import type { FastifyReply, FastifyRequest } from 'fastify';
import { PurserError } from '../errors.ts';
import type { Refusal } from '../ledger/command.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { bodyErrors, conflictError, idempotencyKey, NoQuery } from '../operation.ts';
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
  });
  if (!outcome.ok) throw toError(outcome.refusal);
  if (outcome.replayed) reply.header('idempotency-replayed', 'true');
  return { data: toDebited(outcome.entry) };
}

function toError(refusal: Refusal): PurserError {
  if (refusal.code === 'payment_not_granted') throw new Error('a debit settles no payment');
  if (refusal.code !== 'insufficient_credits') return new PurserError(refusal.code);
  const { code, balance, available, required } = refusal;
  return new PurserError(code, {
    message: `Not enough credits: ${required} needed, ${available} available.`,
    fields: { balance, available, required, shortfall: required - available },
  });
}
