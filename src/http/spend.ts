import type { FastifyReply, FastifyRequest } from 'fastify';
import { PurserError } from '../errors.ts';
import { headerValues } from '../header-values.ts';
import type { Refusal } from '../ledger/command.ts';
import type { Ledger } from '../ledger/ledger.ts';
import {
  bodyErrors,
  conflictError,
  DebitedEnvelope,
  IdempotencyHeaders,
  InsufficientCredits,
  NoQuery,
  toDebited,
} from './schemas.ts';

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

/** Debits the signed-in user and answers with the new balance, or throws 402 or 409. */
export async function spend(
  ledger: Ledger,
  request: FastifyRequest,
  reply: FastifyReply,
  { amount, reason, ref }: Spending,
) {
  const outcome = await ledger.post({
    kind: 'debit',
    userId: request.identity.userId,
    actor: 'user',
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

/** The one Idempotency-Key; Node joins several with a comma, which would be a key of its own. */
function idempotencyKey(request: FastifyRequest): string | null {
  const keys = headerValues(request.raw, 'idempotency-key');
  if (keys.length > 1) {
    throw new PurserError('invalid_request', {
      message: 'Send one Idempotency-Key header, not several.',
    });
  }
  return keys[0] ?? null;
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
