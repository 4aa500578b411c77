import type { Command, Outcome } from '../../src/ledger/core/command.ts';
import type { Limits } from '../../src/ledger/core/limits.ts';
import { createNaiveAccount } from './naive-account.ts';

/** What a caller hears, but for the text of the entry that it is told of. */
export type Told =
  | { readonly ok: true; readonly seq: number; readonly replayed: boolean }
  | Extract<Outcome, { ok: false }>;

export function toldBy(outcome: Outcome): Told {
  if (!outcome.ok) return outcome;
  return { ok: true, seq: outcome.entry.seq, replayed: outcome.replayed };
}

/**
 * One account by plain arithmetic and what its callers hear: a request's key acts once, and so does
 * a payment. Its `parts` are how much of which payment went back.
 */
export function createNaiveLedger(limits: Limits) {
  const account = createNaiveAccount(limits);
  const leads = new Map<string, { readonly seq: number; readonly asked: string | null }>();
  const parts = new Map<string, number>();
  /** The newest entry of each payment. */
  const newest = new Map<string, number>();

  function recall(command: Command): Told | null {
    const lead = keysOf(command)
      .map((key) => leads.get(key))
      .find(Boolean);
    if (!lead) return null;
    const differs = command.idempotencyKey !== null && lead.asked !== askedOf(command);
    if (differs) return { ok: false, refusal: { code: 'idempotency_conflict' } };
    return { ok: true, seq: lead.seq, replayed: true };
  }

  function post(command: Command, now: number): Told {
    const known = recall(command);
    if (known) return known;
    account.postDue(now);
    const { seq: before } = account.known();
    const refusal = account.carryOut(command, now, (payment) => parts.get(payment) ?? 0);
    if (refusal) return { ok: false, refusal };
    const { seq } = account.known();
    const payment = paymentOf(command);
    if (seq === before) return { ok: true, seq: newest.get(payment) ?? 0, replayed: true };
    newest.set(payment, seq);
    for (const key of keysOf(command)) leads.set(key, { seq: before + 1, asked: askedOf(command) });
    account.postDue(now);
    return { ok: true, seq: before + 1, replayed: false };
  }

  return { ...account, post, parts };
}

function paymentOf(command: Command): string {
  if (command.kind === 'grant') return command.grantKey ?? '';
  return command.kind === 'settle_payment' ? command.payment : '';
}

function keysOf(command: Command): string[] {
  const [kindOfActor] = command.actor.split(':');
  const grantKey = command.kind === 'grant' ? command.grantKey : null;
  return [
    ...(command.idempotencyKey === null ? [] : [`${kindOfActor} asks ${command.idempotencyKey}`]),
    ...(grantKey === null ? [] : [`is paid by ${grantKey}`]),
  ];
}

/** What was asked for under a key, whoever asked. */
function askedOf(command: Command): string | null {
  if (command.idempotencyKey === null) return null;
  if (command.kind === 'settle_payment') return command.payment;
  return JSON.stringify({ ...command, idempotencyKey: null, grantKey: null, actor: null });
}
