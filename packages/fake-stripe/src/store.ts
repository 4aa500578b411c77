import type { AnyRecord, Kind, RecordOf } from './objects/render.ts';
import { missing } from './refusal.ts';

/** Everything that this Stripe knows, in memory, in the order of its making. */
export interface Store {
  readonly get: <K extends Kind>(kind: K, id: string) => RecordOf<K> | undefined;
  /** @throws Refusal when there is none */
  readonly need: <K extends Kind>(kind: K, id: string) => RecordOf<K>;
  /** Oldest first. */
  readonly all: <K extends Kind>(kind: K) => RecordOf<K>[];
  /** Oldest first, those that name `value` in `field`. */
  readonly naming: <K extends Kind>(kind: K, field: FieldOf<K>, value: string) => RecordOf<K>[];
  readonly count: (kind: Kind) => number;
  /** Of whatever kind. */
  readonly find: (id: string) => AnyRecord | undefined;
  readonly save: (record: AnyRecord) => void;
  /** Forgets one, as if it had never been. */
  readonly forget: (id: string) => void;
  /** Is told that something has been saved. */
  readonly onSave: (listener: () => void) => void;
  /** Oldest first by kind. */
  readonly everything: () => AnyRecord[];
}

/** The fields by which records are found without looking at all of them. */
const INDEXED = {
  charge: ['paymentIntent', 'customer'],
  'checkout.session': ['paymentIntent', 'customer', 'subscription'],
  credit_note: ['invoice', 'customer'],
  dispute: ['charge', 'paymentIntent'],
  invoice: ['subscription', 'customer'],
  invoice_payment: ['invoice', 'paymentIntent'],
  payment_intent: ['customer'],
  payment_method: ['customer'],
  refund: ['charge', 'paymentIntent'],
  subscription: ['customer'],
} as const satisfies { [K in Kind]?: readonly (keyof RecordOf<K>)[] };

type Indexed = typeof INDEXED;
export type FieldOf<K extends Kind> = K extends keyof Indexed ? Indexed[K][number] : never;

export const isIndexed = (kind: Kind, field: PropertyKey): boolean =>
  fieldsOf(kind).includes(String(field));

const fieldsOf = (kind: Kind): readonly string[] => (kind in INDEXED ? INDEXED[kind as never] : []);

export function createStore(): Store {
  const byId = new Map<string, AnyRecord>();
  const byKind = new Map<Kind, Map<string, AnyRecord>>();
  const places = new Map<string, number>();
  const index = new Map<string, Set<string>>();
  let saved = () => {};

  const get = <K extends Kind>(kind: K, id: string) => {
    const record = byId.get(id);
    return record?.object === kind ? (record as RecordOf<K>) : undefined;
  };

  /** Where the index has the records that are like this one in an indexed field. */
  function keysOf(record: AnyRecord | undefined): string[] {
    if (!record) return [];
    return fieldsOf(record.object).map((field) =>
      keyOf(record.object, field, String(record[field as keyof AnyRecord])),
    );
  }

  function reindex(before: AnyRecord | undefined, now: AnyRecord | undefined, id: string): void {
    for (const key of keysOf(before)) index.get(key)?.delete(id);
    for (const key of keysOf(now)) {
      const ids = index.get(key);
      if (ids) ids.add(id);
      else index.set(key, new Set([id]));
    }
  }

  return {
    get,
    need(kind, id) {
      const record = get(kind, id);
      if (!record) throw missing(kind, id, 'id', 404);
      return record;
    },
    all: <K extends Kind>(kind: K) => [...(byKind.get(kind)?.values() ?? [])] as RecordOf<K>[],
    naming<K extends Kind>(kind: K, field: FieldOf<K>, value: string) {
      const ids = [...(index.get(keyOf(kind, String(field), value)) ?? [])];
      ids.sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0));
      return ids.map((id) => byId.get(id) as RecordOf<K>);
    },
    count: (kind) => byKind.get(kind)?.size ?? 0,
    find: (id) => byId.get(id),
    save(record) {
      const { id, object } = record;
      reindex(byId.get(id), record, id);
      if (!byId.has(id)) places.set(id, places.size);
      byId.set(id, record);
      const siblings = byKind.get(object) ?? new Map<string, AnyRecord>();
      byKind.set(object, siblings.set(id, record));
      saved();
    },
    forget(id) {
      const record = byId.get(id);
      reindex(record, undefined, id);
      if (record) byKind.get(record.object)?.delete(id);
      byId.delete(id);
    },
    onSave(listener) {
      saved = listener;
    },
    everything: () => [...byKind.values()].flatMap((records) => [...records.values()]),
  };
}

const keyOf = (kind: Kind, field: string, value: string) => `${kind} ${field} ${value}`;
