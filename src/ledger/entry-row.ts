import type { Actor, Category, Draw, Entry, EntryKind } from './entry.ts';

/** What to select so that `toEntry` can read the row. */
export const ENTRY_COLUMNS = `
    user_id, seq, id, kind, delta, balance, held, lot, category, draws, payment, invoice_line,
    reverses_seq, lead_seq, actor, reason, ref, metadata, stripe_event_id, grant_key, idempotency_key, request_hash,
    floor(extract(epoch FROM expires_at) * 1000)::bigint AS expires_at,
    floor(extract(epoch FROM created_at) * 1000)::bigint AS created_at`;

/** A row of `credit_ledger` as the driver returns it. */
export interface EntryRow {
  user_id: string;
  seq: number;
  id: string;
  kind: EntryKind;
  delta: number;
  balance: number;
  held: number;
  lot: number | null;
  category: Category | null;
  expires_at: number | null;
  draws: Draw[] | null;
  payment: string | null;
  invoice_line: string | null;
  reverses_seq: number | null;
  lead_seq: number | null;
  actor: Actor;
  reason: string | null;
  ref: string | null;
  metadata: Record<string, string> | null;
  stripe_event_id: string | null;
  grant_key: string | null;
  idempotency_key: string | null;
  request_hash: string | null;
  created_at: number;
}

export function toEntry(row: EntryRow): Entry {
  return {
    userId: row.user_id,
    seq: row.seq,
    id: row.id,
    kind: row.kind,
    delta: row.delta,
    balance: row.balance,
    held: row.held,
    lot: row.lot,
    category: row.category,
    expiresAt: row.expires_at,
    draws: row.draws,
    payment: row.payment,
    invoiceLine: row.invoice_line,
    reversesSeq: row.reverses_seq,
    leadSeq: row.lead_seq,
    actor: row.actor,
    reason: row.reason,
    ref: row.ref,
    metadata: row.metadata,
    stripeEventId: row.stripe_event_id,
    grantKey: row.grant_key,
    idempotencyKey: row.idempotency_key,
    requestHash: row.request_hash,
    createdAt: row.created_at,
  };
}
