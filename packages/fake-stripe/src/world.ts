import { randomUUID } from 'node:crypto';
import { type Clock, createClock } from './clock.ts';
import { createEventLog, type EventLog } from './events.ts';
import type { AnyRecord, Kind, RecordOf } from './objects/render.ts';
import { createStore, type Store } from './store.ts';

/** What everything that happens has to do with: the records, the time, and what is told of it. */
export interface World {
  readonly store: Store;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly mode: 'live' | 'test';
  /** In seconds since 1970. */
  readonly now: () => number;
  /** Never one twice, not even across fakes and processes. */
  readonly newId: (prefix: string) => string;
  /** Saves a new record and tells of it in events of these types. */
  readonly create: <R extends AnyRecord>(record: R, ...types: readonly string[]) => R;
  /**
   * Changes what is stored under the record's id, whatever has become of it since it was read, and
   * tells of it in events of these types.
   */
  readonly change: <K extends Kind>(
    record: { readonly object: K; readonly id: string },
    changes: Partial<RecordOf<K>>,
    ...types: readonly string[]
  ) => RecordOf<K>;
  /** Tells of a record that does not change. */
  readonly tell: (record: AnyRecord, type: string) => void;
}

export function createWorld(mode: World['mode'], baseClock?: () => number): World {
  const store = createStore();
  const events = createEventLog();
  const clock = createClock(baseClock);
  const newId = (prefix: string) => `${prefix}_sim_${randomUUID().replaceAll('-', '')}`;

  function tell(record: AnyRecord, type: string, before: AnyRecord | null = null): void {
    events.append({ id: newId('evt'), type, created: clock.now(), record, before });
  }

  return {
    store,
    events,
    clock,
    mode,
    now: clock.now,
    newId,
    create(record, ...types) {
      store.save(record);
      for (const type of types) tell(record, type);
      return record;
    },
    change({ object, id }, changes, ...types) {
      const before = store.need(object, id);
      const record = { ...before, ...changes };
      store.save(record as AnyRecord);
      for (const type of types) tell(record as AnyRecord, type, before as AnyRecord);
      return record;
    },
    tell: (record, type) => tell(record, type),
  };
}
