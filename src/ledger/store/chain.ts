import { hash } from 'node:crypto';
import type { Entry, Note } from '../core/entry.ts';
import { toStoredTerms } from './entry-row.ts';

/** The hash before the first entry of every account: 64 hexadecimal zeros. */
export const GENESIS = '0'.repeat(64);

/**
 * The hash that chains `entry` to the one before it: SHA-256, in hex, over `previous` and the
 * entry's canonical JSON. Changing, removing or inserting an entry breaks every later hash.
 * `noteHash` is given where it is read back, because the note itself may have been erased.
 */
export function chainHash(previous: string, entry: Entry, noteHash = hashNote(entry)): string {
  return hash('sha256', previous + canonicalJson(entry, noteHash), 'hex');
}

/**
 * What of an entry's free text enters the chain and is stored beside it: SHA-256, in hex, over the
 * canonical JSON of `{ metadata, reason, ref }`, members that are null left out; null when all are.
 * So the text can be erased for a person's sake and the chain still verifies.
 */
export function hashNote({ metadata, reason, ref }: Note): string | null {
  if (metadata === null && reason === null && ref === null) return null;
  const members: string[] = [];
  if (metadata !== null) members.push(`"metadata":{${canonicalMembers(metadata)}}`);
  if (reason !== null) members.push(`"reason":${JSON.stringify(reason)}`);
  if (ref !== null) members.push(`"ref":${JSON.stringify(ref)}`);
  return hash('sha256', `{${members.join(',')}}`, 'hex');
}

/**
 * The entry as RFC 8785 writes it: members sorted by name, no white space, numbers and strings as
 * ECMAScript writes them. Written out by hand because it runs for every debit; a test holds it
 * against a general implementation. Members that are null are left out, so that a later release
 * can add a column without touching old hashes.
 */
export function canonicalJson(entry: Entry, noteHash: string | null): string {
  return JSON.stringify({
    actor: entry.actor,
    balance: entry.balance,
    category: entry.category ?? undefined,
    created_at: entry.createdAt,
    delta: entry.delta,
    draws: entry.draws?.map(({ lot, amount, reopens }) => ({
      ...{ amount, lot },
      reopens: reopens && toStoredTerms(reopens),
    })),
    expires_at: entry.expiresAt ?? undefined,
    grant_key: entry.grantKey ?? undefined,
    held: entry.held,
    hold_id: entry.holdId ?? undefined,
    id: entry.id,
    idempotency_key: entry.idempotencyKey ?? undefined,
    invoice_line: entry.invoiceLine ?? undefined,
    kind: entry.kind,
    lead_seq: entry.leadSeq ?? undefined,
    lot: entry.lot ?? undefined,
    note_hash: noteHash ?? undefined,
    operation: entry.operation?.name,
    payment: entry.payment ?? undefined,
    priority: entry.priority ?? undefined,
    quantity: entry.operation?.quantity,
    request_hash: entry.requestHash ?? undefined,
    reverses_seq: entry.reversesSeq ?? undefined,
    seq: entry.seq,
    stripe_event_id: entry.stripeEventId ?? undefined,
    user_id: entry.userId,
  });
}

/**
 * RFC 8785 for an object of texts. Joined by hand: jsonb forgets the order of members, and
 * JSON.stringify writes names such as "10" first and by number, whatever their place.
 */
function canonicalMembers(members: Readonly<Record<string, string>>): string {
  return Object.entries(members)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => `${JSON.stringify(name)}:${JSON.stringify(text)}`)
    .join(',');
}
