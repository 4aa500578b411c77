import { PurserError } from '../../errors.ts';
import { readEvent, type StripeEvent } from '../shapes/event.ts';
import { idOf, type Json } from '../shapes/json.ts';
import { type Finding, NOT_KNOWN } from './report.ts';
import { type Run, type Suspect, toldOnly } from './run.ts';

/** How many events that are due are attempted at once, and how often; parked ones fall due later. */
const DUE_AT_ONCE = 10;
const ROUNDS = 1_000;

/** Finds events that never arrived; stores each as if it were delivered, and carries it out. */
export async function compareEvents(run: Run, objects: readonly Json[]): Promise<void> {
  const events = objects.map((json) => ({ json, id: idOf(json) ?? '' }));
  const stored = await run.evidence.eventsStored(events.map(({ id }) => id));
  const missing = events.filter(({ id }) => !stored.has(id));
  // A page is newest first; what comes first finds its ground prepared more often.
  for (const { id, json } of missing.reverse()) {
    await run.suspect(missingEvent(run, json) ?? unreadableEvent(id));
  }
}

/**
 * Attempts what is due by now: the parked events that what was found has woken. A server beside
 * this process takes its share.
 */
export async function attemptDue({ processing, step }: Run): Promise<void> {
  const { inbox, attempt } = processing;
  for (let round = 0; round < ROUNDS; round++) {
    await step();
    const claims = await inbox.claim(DUE_AT_ONCE);
    if (claims.length === 0) return;
    await Promise.all(claims.map(attempt));
  }
}

function missingEvent({ processing, evidence }: Run, json: Json): Suspect | null {
  const payload = JSON.stringify(json);
  const event = tryToRead(payload);
  if (!event) return null;
  return {
    isOff: async () => !(await evidence.eventsStored([event.id])).has(event.id),
    describe: async () => describe(event),
    async repair() {
      const { state, claim } = await processing.inbox.store(event, payload, { later: false });
      return `stored: ${claim ? await processing.attempt(claim) : state}`;
    },
  };
}

function tryToRead(payload: string): StripeEvent | null {
  try {
    return readEvent(payload);
  } catch (error) {
    if (error instanceof PurserError) return null;
    throw error;
  }
}

/** What no webhook would take either. */
function unreadableEvent(id: string): Suspect {
  const about = { code: 'unreadable', why: 'it cannot be read' } as const;
  return toldOnly({ kind: 'event-missing', object: id, ...NOT_KNOWN, when: new Date(), ...about });
}

function describe({ id, type, object, created }: StripeEvent): Finding {
  const about = idOf(object);
  return {
    kind: 'event-missing',
    code: 'never_arrived',
    object: id,
    ...NOT_KNOWN,
    when: new Date(created * 1000),
    why: `${type}${about === null ? '' : ` of ${about}`} never arrived`,
  };
}
