import type { FastifyReply } from 'fastify';
import { PurserError } from '../errors.ts';
import type { Command, Refusal } from '../ledger/command.ts';
import type { Entry } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';

/** Carries out a command and marks a replay. Returns its lead entry, or throws 402 or 409. */
export async function post(ledger: Ledger, command: Command, reply: FastifyReply): Promise<Entry> {
  const outcome = await ledger.post(command);
  if (!outcome.ok) throw toError(outcome.refusal);
  if (outcome.replayed) reply.header('idempotency-replayed', 'true');
  return outcome.entry;
}

function toError(refusal: Refusal): PurserError {
  if (refusal.code === 'payment_not_granted') throw new Error('no route settles a payment');
  if (refusal.code !== 'insufficient_credits') return new PurserError(refusal.code);
  const { code, balance, available, required } = refusal;
  return new PurserError(code, {
    message: `Not enough credits: ${required} needed, ${available} available.`,
    fields: { balance, available, required, shortfall: required - available },
  });
}
