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
  const text = (read: (entry: Entry) => string | null) =>
    unlessEmpty(sealed.map(({ entry }) => read(entry)));
  const plain = (read: (one: SealedEntry) => string | number | null) =>
    toPlainArray(sealed.map(read));
  return session.run(APPEND, [
    text((e) => e.userId),
    plain(({ entry }) => entry.seq),
    plain(({ entry }) => entry.id),
    plain(({ entry }) => entry.kind),
    plain(({ entry }) => entry.delta),
    plain(({ entry }) => entry.balance),
    plain(({ entry }) => entry.held),
    plain(({ entry }) => entry.lot),
    text((e) => e.draws && JSON.stringify(e.draws.map(toStoredDraw))),
    plain(({ entry }) => entry.leadSeq),
    text((e) => e.actor),
    text((e) => e.reason),
    text((e) => e.ref),
    text((e) => e.metadata && JSON.stringify(e.metadata)),
    plain(({ noteHash }) => toBytea(noteHash)),
    text((e) => e.stripeEventId),
    text((e) => e.grantKey),
    text((e) => e.idempotencyKey),
    text((e) => e.requestHash),
    plain(({ entry }) => toTimestamp(entry.createdAt)),
    plain(({ hash }) => toBytea(hash)),
    unlessEmpty(sealed.map(({ state }) => state && JSON.stringify(state))),
    text((e) => e.category),
    plain(({ entry }) => entry.expiresAt && toTimestamp(entry.expiresAt)),
    text((e) => e.payment),
    plain(({ entry }) => entry.reversesSeq),
    text((e) => e.invoiceLine),
    plain(({ entry }) => entry.priority),
    text((e) => e.holdId),
    text((e) => e.operation?.name ?? null),
    text((e) => e.operation?.quantity ?? null),
  ]);
}

function unlessEmpty<T>(values: readonly T[]): readonly T[] | null {
  return values.every((value) => value === null) ? null : values;
}

/**
 * An array literal of values that need no quotes, such as numbers and uuids: the driver would
 * search each for what to escape.
 */
function toPlainArray(values: readonly (string | number | null)[]): string | null {
  return unlessEmpty(values) && `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

function toTimestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** In an array literal, where a backslash stands for the character after it. */
function toBytea(hex: string | null): string | null {
  return hex && `\\\\x${hex}`;
}
