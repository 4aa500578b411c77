import {
  BIGINT,
  type BinaryType,
  BYTEA,
  JSONB,
  SMALLINT,
  TEXT,
  TIMESTAMPTZ,
  toBinaryArray,
  UUID,
} from '../../db/binary-array.ts';
import type { Session, Statement } from '../../db/session.ts';
import type { Entry } from '../core/entry.ts';
import { toStoredDraw } from './entry-row.ts';
import type { State } from './state.ts';

/** An entry as it is written: chained, and on the account's last one with the state after it. */
export interface SealedEntry {
  readonly entry: Entry;
  /** What of the entry's free text enters the chain; null when it has none. */
  readonly noteHash: string | null;
  readonly hash: string;
  readonly state: State | null;
}

const APPEND: Statement = {
  name: 'append',
  text: `
    INSERT INTO credit_ledger (
           user_id, seq, id, kind, delta, balance, held, lot, draws, lead_seq, actor,
           reason, ref, metadata, note_hash, stripe_event_id, grant_key, idempotency_key,
           request_hash, created_at, hash, state, category, expires_at, payment, reverses_seq,
           invoice_line, priority, hold_id, operation, quantity)
    SELECT * FROM unnest(
           $1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[],
           $7::bigint[], $8::bigint[], $9::jsonb[], $10::bigint[], $11::text[],
           $12::text[], $13::text[], $14::jsonb[], $15::bytea[], $16::text[], $17::text[],
           $18::text[], $19::text[], $20::timestamptz[], $21::bytea[], $22::jsonb[],
           $23::text[], $24::timestamptz[], $25::text[], $26::bigint[], $27::text[],
           $28::smallint[], $29::text[], $30::text[], $31::numeric[])`,
};

/**
 * Writes all entries in one statement. A column that no entry of the batch has, such as the keys of
 * plain debits, travels as one NULL, which unnest pads: neither side then handles its elements.
 */
export function append(session: Session, sealed: readonly SealedEntry[]) {
  const column = <Value>(type: BinaryType<Value>, read: (one: SealedEntry) => Value | null) =>
    toBinaryArray(type, sealed.map(read));
  // Of numerics there is no simple binary form, and few entries have one.
  const quantities = sealed.map(({ entry }) => entry.operation?.quantity ?? null);
  return session.run(APPEND, [
    column(TEXT, ({ entry }) => entry.userId),
    column(BIGINT, ({ entry }) => entry.seq),
    column(UUID, ({ entry }) => entry.id),
    column(TEXT, ({ entry }) => entry.kind),
    column(BIGINT, ({ entry }) => entry.delta),
    column(BIGINT, ({ entry }) => entry.balance),
    column(BIGINT, ({ entry }) => entry.held),
    column(BIGINT, ({ entry }) => entry.lot),
    column(JSONB, ({ entry }) => entry.draws && JSON.stringify(entry.draws.map(toStoredDraw))),
    column(BIGINT, ({ entry }) => entry.leadSeq),
    column(TEXT, ({ entry }) => entry.actor),
    column(TEXT, ({ entry }) => entry.reason),
    column(TEXT, ({ entry }) => entry.ref),
    column(JSONB, ({ entry }) => entry.metadata && JSON.stringify(entry.metadata)),
    column(BYTEA, ({ noteHash }) => noteHash),
    column(TEXT, ({ entry }) => entry.stripeEventId),
    column(TEXT, ({ entry }) => entry.grantKey),
    column(TEXT, ({ entry }) => entry.idempotencyKey),
    column(TEXT, ({ entry }) => entry.requestHash),
    column(TIMESTAMPTZ, ({ entry }) => entry.createdAt),
    column(BYTEA, ({ hash }) => hash),
    column(JSONB, ({ state }) => state && JSON.stringify(state)),
    column(TEXT, ({ entry }) => entry.category),
    column(TIMESTAMPTZ, ({ entry }) => entry.expiresAt),
    column(TEXT, ({ entry }) => entry.payment),
    column(BIGINT, ({ entry }) => entry.reversesSeq),
    column(TEXT, ({ entry }) => entry.invoiceLine),
    column(SMALLINT, ({ entry }) => entry.priority),
    column(TEXT, ({ entry }) => entry.holdId),
    column(TEXT, ({ entry }) => entry.operation?.name ?? null),
    quantities.some((quantity) => quantity !== null) ? quantities : null,
  ]);
}
