import type { FastifyReply } from 'fastify';
import type { Command, Outcome } from '../ledger/core/command.ts';
import type { Entry } from '../ledger/core/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { toError } from './refusals.ts';

/** Carries out a command and marks a replay. Returns its lead entry, or throws 402 or 409. */
export async function post(ledger: Ledger, command: Command, reply: FastifyReply): Promise<Entry> {
  return leadOf(await ledger.post(command), reply);
}

/** The lead entry of what was carried out, marked if it is a replay. Throws 402 or 409. */
export function leadOf(outcome: Outcome, reply: FastifyReply): Entry {
  if (!outcome.ok) throw toError(outcome.refusal);
  if (outcome.replayed) reply.header('idempotency-replayed', 'true');
  return outcome.entry;
}
