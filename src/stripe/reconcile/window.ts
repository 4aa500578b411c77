import type { Cursor, Moves } from './cursor.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** For so long Stripe lists events, and so far back a first run goes. */
const KEPT = 30 * DAY;
/** What was created shortly before the last run may have been listed only after it. */
const EVENTS_OVERLAP = 2 * HOUR;
/** What was created a while before the last run may have been paid only after it. */
const OBJECTS_OVERLAP = DAY;
/** As often a run goes all the way back: an invoice may be paid weeks after it was created. */
const LOOK_BACK_EVERY = DAY;

/** Since when a run looks. */
export interface Window {
  readonly eventsSince: Date;
  readonly objectsSince: Date;
}

export interface WindowOptions {
  readonly cursor: Cursor;
  /** By hand; null for everything since the last run, and once a day for 30 days. */
  readonly asked: Date | null;
  /** Since when the database is in use: what happened before is not told, unless it is asked for. */
  readonly usedSince: Date;
  readonly now: Date;
}

/** Since when a run that begins now looks. */
export function windowOf({ cursor, asked, usedSince, now }: WindowOptions): Window {
  const oldest = before(now, KEPT);
  if (asked) return { eventsSince: later(asked, oldest), objectsSince: asked };
  const { eventsSeenUntil, objectsSeenUntil, lookedBackAt } = cursor;
  const objectsSince = objectsSeenUntil ? before(objectsSeenUntil, OBJECTS_OVERLAP) : oldest;
  const isTimeToLookBack = !lookedBackAt || lookedBackAt <= before(now, LOOK_BACK_EVERY);
  const firstEvents = later(oldest, usedSince);
  return {
    eventsSince: eventsSeenUntil
      ? later(before(eventsSeenUntil, EVENTS_OVERLAP), firstEvents)
      : firstEvents,
    // Also what was created before it was in use: it may have been paid only afterwards.
    objectsSince: isTimeToLookBack && oldest < objectsSince ? oldest : objectsSince,
  };
}

/**
 * How the cursor moves. Not over a gap: a run that was asked to look only a little back says
 * nothing of what was before. Nor over what was not seen to its end: it is looked at again.
 */
export function movesOf(
  { cursor, usedSince, now }: WindowOptions,
  { eventsSince, objectsSince }: Window,
  done: { readonly events: boolean; readonly objects: boolean },
): Moves {
  const oldest = before(now, KEPT);
  const { eventsSeenUntil, objectsSeenUntil } = cursor;
  const firstEvents = later(oldest, usedSince);
  const events = done.events && eventsSince <= later(eventsSeenUntil ?? firstEvents, firstEvents);
  const objects = done.objects && objectsSince <= (objectsSeenUntil ?? oldest);
  return {
    eventsSeenUntil: events ? now : null,
    objectsSeenUntil: objects ? now : null,
    lookedBackAt: done.objects && objectsSince <= oldest ? now : null,
  };
}

const before = (time: Date, milliseconds: number) => new Date(time.getTime() - milliseconds);
const later = (a: Date, b: Date) => (a > b ? a : b);
