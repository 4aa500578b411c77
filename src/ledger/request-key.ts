import { hash } from 'node:crypto';
import type { Command } from './command.ts';

/** What makes two requests the same one: the stored key, and the hash of what was asked. */
export interface RequestKey {
  readonly idempotencyKey: string;
  readonly requestHash: string;
}

/**
 * The stored form of a command's Idempotency-Key: prefixed by the kind of actor, so that a user
 * cannot block a key that a service will use for the same account. Null when it brought none.
 */
export function requestKey(command: Command): RequestKey | null {
  if (command.idempotencyKey === null) return null;
  const [actorKind] = command.actor.split(':', 1);
  return {
    idempotencyKey: `${actorKind}:${command.idempotencyKey}`,
    requestHash: hash('sha256', JSON.stringify(substance(command)), 'hex'),
  };
}

/** What was asked for, whoever asked and by whatever key; members in a fixed order. */
function substance(command: Command): unknown {
  switch (command.kind) {
    case 'debit':
      return [command.kind, command.amount, command.reason, command.ref, entriesOf(command)];
    case 'settle_payment':
      return [command.kind, command.payment];
    case 'grant':
      return [
        command.kind,
        command.grants.map((grant) => [
          grant.category,
          grant.amount,
          grant.reason,
          grant.ref,
          entriesOf(grant),
          grant.expiresAt,
        ]),
      ];
  }
}

function entriesOf({ metadata }: { metadata: Readonly<Record<string, string>> | null }) {
  return metadata && Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
