import { API_VERSION, type StripeObject, type View } from './objects/object.ts';
import { type AnyRecord, render } from './objects/render.ts';
import { missing } from './refusal.ts';

/** The event that a webhook endpoint receives. */
export interface StripeEvent extends StripeObject {
  readonly object: 'event';
  readonly type: string;
  readonly created: number;
  readonly data: {
    readonly object: StripeObject;
    readonly previous_attributes?: Readonly<Record<string, unknown>>;
  };
}

/** An event as the fake keeps it: what it tells of, as it was then, to be shown in any shape. */
export interface LoggedEvent {
  readonly id: string;
  readonly type: string;
  readonly created: number;
  readonly record: AnyRecord;
  /** What was there before; null when the event does not tell of a change. */
  readonly before: AnyRecord | null;
}

/** What happened, in order. */
export interface EventLog {
  /** How many there have been: a mark for `since`. */
  readonly length: () => number;
  readonly append: (event: LoggedEvent) => void;
  /** The events after the first so many, oldest first. */
  readonly since: (mark: number) => readonly LoggedEvent[];
  /** From the newest back, or from the one before this one. @throws Refusal when it is unknown */
  readonly before: (id?: string) => Generator<LoggedEvent>;
  readonly get: (id: string) => LoggedEvent | undefined;
  /** Is told each event as it is appended. */
  readonly listen: (listener: (event: LoggedEvent) => void) => void;
}

export function createEventLog(): EventLog {
  const events: LoggedEvent[] = [];
  const places = new Map<string, number>();
  const listeners: ((event: LoggedEvent) => void)[] = [];
  return {
    length: () => events.length,
    append(event) {
      events.push(event);
      places.set(event.id, events.length - 1);
      for (const listener of listeners) listener(event);
    },
    since: (mark) => events.slice(mark),
    *before(id) {
      const place = id === undefined ? events.length : places.get(id);
      if (id !== undefined && place === undefined) throw missing('event', id, 'starting_after');
      for (let i = (place ?? 0) - 1; i >= 0; i--) yield events[i] as LoggedEvent;
    },
    get: (id) => events[places.get(id) ?? -1],
    listen: (listener) => void listeners.push(listener),
  };
}

/** The event as an endpoint of this shape gets it, or the API shows it. */
export function renderEvent(event: LoggedEvent, view: View): StripeEvent {
  const { id, type, created, record, before } = event;
  const object = render(record, view);
  return {
    id,
    object: 'event',
    api_version: API_VERSION[view.shape],
    created,
    data: {
      object,
      ...(before && { previous_attributes: previousAttributes(render(before, view), object) }),
    },
    livemode: view.livemode,
    pending_webhooks: 1,
    request: { id: null, idempotency_key: null },
    type,
  };
}

/** The old values of what changed; of maps such as metadata only the keys that did. */
function previousAttributes(before: StripeObject, now: StripeObject): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [old, current] = [before[key] ?? null, now[key] ?? null];
    if (JSON.stringify(old) === JSON.stringify(current)) continue;
    changes[key] = isMap(old) && isMap(current) ? previousAttributes(old, current) : old;
  }
  return changes;
}

function isMap(value: unknown): value is StripeObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
