import type { Actor, Category, Draw, Entry, EntryKind, Terms } from '../core/entry.ts';

/** What to select so that `toEntry` can read the row. */
export const ENTRY_COLUMNS = `
    user_id, seq, id, kind, delta, balance, held, lot, category, draws, payment, invoice_line,
    reverses_seq, lead_seq, priority, hold_id, operation, quantity::text AS quantity, actor, reason,
    ref, metadata, stripe_event_id, grant_key, idempotency_key, request_hash,
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
  priority: number | null;
  draws: StoredDraw[] | null;
  hold_id: string | null;
  operation: string | null;
  quantity: string | null;
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
    priority: row.priority,
    draws: row.draws?.map(fromStoredDraw) ?? null,
    holdId: row.hold_id,
    operation:
      row.operation === null ? null : { name: row.operation, quantity: row.quantity ?? '' },
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

/** A draw as it is written into the column, and hashed. */
export interface StoredDraw extends Omit<Draw, 'reopens'> {
  readonly reopens?: StoredTerms;
}

/** Members in the order of their names. */
interface StoredTerms extends Pick<Terms, 'category'> {
  /** Left out for never. */
  readonly expires_at?: number;
  /** Left out for 0. */
  readonly priority?: number;
}

export function toStoredDraw({ lot, amount, reopens }: Draw): StoredDraw {
  return { lot, amount, ...(reopens && { reopens: toStoredTerms(reopens) }) };
}

export function toStoredTerms({ category, expiresAt, priority }: Terms): StoredTerms {
  return {
    category,
    ...(expiresAt !== null && { expires_at: expiresAt }),
    ...(priority !== 0 && { priority }),
  };
}

function fromStoredDraw(draw: StoredDraw): Draw {
  const { lot, amount, reopens } = draw;
  if (!reopens) return { lot, amount };
  const { category, expires_at: expiresAt = null, priority = 0 } = reopens;
  return { lot, amount, reopens: { category, expiresAt, priority } };
}
