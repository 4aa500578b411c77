import type { FastifyReply } from 'fastify';
import type { Command } from '../ledger/core/command.ts';
import type { Entry } from '../ledger/core/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { toError } from './refusals.ts';

/** Carries out a command and marks a replay. Returns its lead entry, or throws 402 or 409. */
export async function post(ledger: Ledger, command: Command, reply: FastifyReply): Promise<Entry> {
  const outcome = await ledger.post(command);
  if (!outcome.ok) throw toError(outcome.refusal);
  if (outcome.replayed) reply.header('idempotency-replayed', 'true');
  return outcome.entry;
}
