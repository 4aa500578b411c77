import type { AnyRecord, Kind, RecordOf } from './objects/render.ts';
import { missing } from './refusal.ts';

/** Everything that this Stripe knows, in memory, in the order of its making. */
export interface Store {
  readonly get: <K extends Kind>(kind: K, id: string) => RecordOf<K> | undefined;
  /** @throws Refusal when there is none */
  readonly need: <K extends Kind>(kind: K, id: string) => RecordOf<K>;
  /** Oldest first. */
  readonly all: <K extends Kind>(kind: K) => RecordOf<K>[];
  readonly count: (kind: Kind) => number;
  /** Of whatever kind. */
  readonly find: (id: string) => AnyRecord | undefined;
  readonly save: (record: AnyRecord) => void;
  /** Forgets one, as if it had never been. */
  readonly forget: (id: string) => void;
  /** Oldest first by kind. */
  readonly everything: () => AnyRecord[];
}

export function createStore(): Store {
  const byId = new Map<string, AnyRecord>();
  const byKind = new Map<Kind, Map<string, AnyRecord>>();
  const get = <K extends Kind>(kind: K, id: string) => {
    const record = byId.get(id);
    return record?.object === kind ? (record as RecordOf<K>) : undefined;
  };
  return {
    get,
    need(kind, id) {
      const record = get(kind, id);
      if (!record) throw missing(kind, id, 'id', 404);
      return record;
    },
    all: <K extends Kind>(kind: K) => [...(byKind.get(kind)?.values() ?? [])] as RecordOf<K>[],
    count: (kind) => byKind.get(kind)?.size ?? 0,
    find: (id) => byId.get(id),
    save(record) {
      byId.set(record.id, record);
      const siblings = byKind.get(record.object) ?? new Map<string, AnyRecord>();
      byKind.set(record.object, siblings.set(record.id, record));
    },
    forget(id) {
      const kind = byId.get(id)?.object;
      if (kind) byKind.get(kind)?.delete(id);
      byId.delete(id);
    },
    everything: () => [...byKind.values()].flatMap((records) => [...records.values()]),
  };
}
