import { hash } from 'node:crypto';
import type { Command, DebitCommand, Grant } from './command.ts';
import type { Note } from './entry.ts';

/** What makes two requests the same one: the stored key, and the hash of what was asked. */
export interface RequestKey {
  readonly idempotencyKey: string;
  readonly requestHash: string;
}

/** What a command leaves on its entry; null when it brought no Idempotency-Key. */
export function requestKey(command: Command): RequestKey | null {
  const idempotencyKey = storedKey(command);
  return idempotencyKey === null ? null : { idempotencyKey, requestHash: requestHash(command) };
}

/**
 * The stored form of a command's Idempotency-Key: prefixed by the kind of actor, so that a user
 * cannot block a key that a service will use for the same account. Null when it brought none.
 */
export function storedKey({ actor, idempotencyKey }: Command): string | null {
  if (idempotencyKey === null) return null;
  const [actorKind] = actor.split(':', 1);
  return `${actorKind}:${idempotencyKey}`;
}

export function requestHash(command: Command): string {
  return hash('sha256', JSON.stringify(substance(command)), 'hex');
}

/** What was asked for, whoever asked and by whatever key; members in a fixed order. */
function substance(command: Command): unknown {
  switch (command.kind) {
    case 'debit':
      return [command.kind, ...priceOf(command), ...noteOf(command)];
    case 'hold':
      return [
        ...[command.kind, command.holdId, command.seconds],
        ...[...priceOf(command), ...noteOf(command)],
      ];
    case 'capture':
      return [command.kind, command.holdId, command.amount, command.beyond, ...noteOf(command)];
    case 'release':
      return [command.kind, command.holdId, ...noteOf(command)];
    case 'reverse':
      return [command.kind, command.reversesSeq, command.amount, ...noteOf(command)];
    case 'settle_payment':
      return [command.kind, command.payment];
    case 'grant':
      return [command.kind, command.grants.map(grantSubstance)];
    case 'post_due':
      return [command.kind];
  }
}

/** What an operation costs may change; that the same was asked for does not. */
function priceOf({ amount, operation }: Pick<DebitCommand, 'amount' | 'operation'>) {
  return operation ? [[operation.name, operation.quantity]] : [amount];
}

/** Terms that most grants do not have come last, so that older hashes stay what they are. */
function grantSubstance(grant: Grant) {
  const { category, amount, priority, expiresAt } = grant;
  const terms = priority === 0 && expiresAt === null ? [] : [priority, expiresAt];
  return [category, amount, ...noteOf(grant), ...terms];
}

function noteOf(note: Note) {
  return [note.reason, note.ref, entriesOf(note)];
}

function entriesOf({ metadata }: { metadata: Readonly<Record<string, string>> | null }) {
  return metadata && Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
