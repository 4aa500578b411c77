import { hash } from 'node:crypto';
import type { Entry } from './entry.ts';

/** The hash before the first entry of every account: 64 hexadecimal zeros. */
export const GENESIS = '0'.repeat(64);

/**
 * The hash that chains `entry` to the one before it: SHA-256, in hex, over `previous` and the
 * entry's canonical JSON. Changing, removing or inserting an entry breaks every later hash.
 */
export function chainHash(previous: string, entry: Entry): string {
  return hash('sha256', previous + canonicalJson(entry), 'hex');
}

/**
 * The entry as RFC 8785 writes it: members sorted by name, no white space, numbers and strings as
 * ECMAScript writes them. Written out by hand because it runs for every debit; a test holds it
 * against a general implementation. Members that are null are left out, so that a later release
 * can add a column without touching old hashes. Free text enters as a digest: it can be erased
 * for a person's sake and the chain still verifies.
 */
export function canonicalJson(entry: Entry): string {
  return JSON.stringify({
    actor: entry.actor,
    balance: entry.balance,
    created_at: entry.createdAt,
    delta: entry.delta,
    draws: entry.draws?.map(({ lot, amount }) => ({ amount, lot })),
    grant_key: entry.grantKey ?? undefined,
    held: entry.held,
    id: entry.id,
    idempotency_key: entry.idempotencyKey ?? undefined,
    kind: entry.kind,
    lead_seq: entry.leadSeq ?? undefined,
    lot: entry.lot ?? undefined,
    metadata_sha256: entry.metadata === null ? undefined : digestOfMembers(entry.metadata),
    reason_sha256: digest(entry.reason),
    ref_sha256: digest(entry.ref),
    request_hash: entry.requestHash ?? undefined,
    seq: entry.seq,
    stripe_event_id: entry.stripeEventId ?? undefined,
    user_id: entry.userId,
  });
}

function digest(text: string | null): string | undefined {
  return text === null ? undefined : hash('sha256', text, 'hex');
}

/** jsonb forgets the order of members, so they are sorted (by UTF-16 code units, as in RFC 8785). */
function digestOfMembers(metadata: Readonly<Record<string, string>>): string {
  const members = Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return hash('sha256', JSON.stringify(Object.fromEntries(members)), 'hex');
}
