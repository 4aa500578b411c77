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
  const column = <T>(read: (entry: Entry) => T) =>
    unlessEmpty(sealed.map(({ entry }) => read(entry)));
  return session.run(APPEND, [
    column((e) => e.userId),
    column((e) => e.seq),
    column((e) => e.id),
    column((e) => e.kind),
    column((e) => e.delta),
    column((e) => e.balance),
    column((e) => e.held),
    column((e) => e.lot),
    column((e) => e.draws && JSON.stringify(e.draws.map(toStoredDraw))),
    column((e) => e.leadSeq),
    column((e) => e.actor),
    column((e) => e.reason),
    column((e) => e.ref),
    column((e) => e.metadata && JSON.stringify(e.metadata)),
    unlessEmpty(sealed.map(({ noteHash }) => toBytea(noteHash))),
    column((e) => e.stripeEventId),
    column((e) => e.grantKey),
    column((e) => e.idempotencyKey),
    column((e) => e.requestHash),
    column((e) => toTimestamp(e.createdAt)),
    sealed.map(({ hash }) => toBytea(hash)),
    sealed.map(({ state }) => state && JSON.stringify(state)),
    column((e) => e.category),
    column((e) => e.expiresAt && toTimestamp(e.expiresAt)),
    column((e) => e.payment),
    column((e) => e.reversesSeq),
    column((e) => e.invoiceLine),
    column((e) => e.priority),
    column((e) => e.holdId),
    column((e) => e.operation?.name ?? null),
    column((e) => e.operation?.quantity ?? null),
  ]);
}

function unlessEmpty<T>(values: readonly T[]): readonly T[] | null {
  return values.every((value) => value === null) ? null : values;
}

function toTimestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function toBytea(hex: string | null): string | null {
  return hex && `\\x${hex}`;
}
