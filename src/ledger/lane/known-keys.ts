import type { Command, Outcome } from '../core/command.ts';
import type { Entry } from '../core/entry.ts';
import { requestHash, storedKey } from '../core/request-key.ts';

/** The lead entries that a round knows by their keys: those on record and those it just decided. */
export interface KnownKeys {
  /** The outcome of a command that was carried out before, or null when it is new. */
  readonly replay: (command: Command) => Outcome | null;
  readonly remember: (lead: Entry) => void;
}

export function createKnownKeys(onRecord: readonly Entry[]): KnownKeys {
  const leads = new Map<string, Entry>();
  const known: KnownKeys = {
    replay: (command) => {
      const lead = keysOf(command)
        .map((key) => leads.get(key))
        .find(Boolean);
      if (!lead) return null;
      return storedKey(command) !== null && lead.requestHash !== requestHash(command)
        ? { ok: false, refusal: { code: 'idempotency_conflict' } }
        : { ok: true, entry: lead, replayed: true };
    },
    remember: (lead) => {
      for (const key of keysOf(lead)) leads.set(key, lead);
    },
  };
  for (const lead of onRecord) known.remember(lead);
  return known;
}

/** The keys of a command or of the lead entry it left, each kind in a name space of its own. */
function keysOf(source: Command | Entry): string[] {
  const idempotencyKey = 'seq' in source ? source.idempotencyKey : storedKey(source);
  const eventId = 'stripeEventId' in source ? source.stripeEventId : null;
  const grantKey = 'grantKey' in source ? source.grantKey : null;
  return [
    ...(idempotencyKey ? [`request\0${source.userId}\0${idempotencyKey}`] : []),
    ...(eventId ? [`event\0${eventId}`] : []),
    ...(grantKey ? [`grant\0${grantKey}`] : []),
  ];
}
