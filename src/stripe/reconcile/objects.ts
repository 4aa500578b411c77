/** Stripe's objects and events as reconciliation reads them: in lists, and one by one. */
import { setTimeout as sleep } from 'node:timers/promises';
import type Stripe from 'stripe';
import { type Answer, AWAY, askForPages, type Bounds, type NoAnswer } from '../api/api.ts';
import { REFUND_EXPANDED, REFUNDS_EXPANDED } from '../api/refunds.ts';
import { SESSION_CHARGE } from '../api/sessions.ts';
import { isObject, type Json } from '../shapes/json.ts';
import { MATTERING } from './event-types.ts';
import type { Counts } from './report.ts';
import { Incomplete, type Run } from './run.ts';

type List = Parameters<typeof askForPages<{ readonly id: string }>>[1];
/** A page of what was created since, in seconds since 1970. */
type Params = Parameters<List>[1] & { readonly created: { readonly gte: number } };

interface Source {
  /** What a list of them is called. */
  readonly what: string;
  readonly count: keyof Counts;
  readonly list: (client: Stripe, params: Params) => ReturnType<List>;
  readonly ask: (client: Stripe, id: string) => Promise<unknown>;
}

/** A page of a hundred with what is expanded takes longer than one object; nobody waits for it. */
const PATIENTLY = { timeout: 20_000 };
/** How often to look whether Stripe may be asked again, in milliseconds. */
const LOOK_EVERY = 100;

const SOURCES = {
  event: {
    what: 'events',
    count: 'events',
    list: ({ events }, params) => events.list({ ...params, types: [...MATTERING] }, PATIENTLY),
    ask: ({ events }, id) => events.retrieve(id),
  },
  session: {
    what: 'checkout sessions',
    count: 'sessions',
    list: ({ checkout }, params) =>
      checkout.sessions.list(
        { ...params, status: 'complete', expand: [`data.${SESSION_CHARGE}`] },
        PATIENTLY,
      ),
    ask: ({ checkout }, id) => checkout.sessions.retrieve(id, { expand: [SESSION_CHARGE] }),
  },
  // Without its payments an invoice names no payment intent, and so could not be refunded.
  invoice: {
    what: 'invoices',
    count: 'invoices',
    list: ({ invoices }, params) =>
      invoices.list({ ...params, status: 'paid', expand: ['data.payments'] }, PATIENTLY),
    ask: ({ invoices }, id) => invoices.retrieve(id, { expand: ['payments'] }),
  },
  refund: {
    what: 'refunds',
    count: 'refunds',
    list: ({ refunds }, params) => refunds.list({ ...params, expand: REFUNDS_EXPANDED }, PATIENTLY),
    ask: ({ refunds }, id) => refunds.retrieve(id, { expand: REFUND_EXPANDED }),
  },
  dispute: {
    what: 'disputes',
    count: 'disputes',
    list: ({ disputes }, params) => disputes.list(params, PATIENTLY),
    ask: ({ disputes }, id) => disputes.retrieve(id),
  },
  credit_note: {
    what: 'credit notes',
    count: 'creditNotes',
    list: ({ creditNotes }, params) => creditNotes.list(params, PATIENTLY),
    ask: ({ creditNotes }, id) => creditNotes.retrieve(id),
  },
} as const satisfies Record<string, Source>;

/** What Stripe is asked for. */
export type ObjectKind = keyof typeof SOURCES;

/**
 * How much of one list a run reads. One page at a time, whatever Stripe's rate limit is, and each
 * takes Stripe a good part of a second.
 */
const BOUNDS: Bounds = { pages: 2_500, time: 3_600_000 };

/**
 * All of a kind that were created since, page by page, as the JSON that Stripe sent: a client may
 * have put objects of its own in the place of numbers.
 * @throws Incomplete when not all of it can be had
 */
export async function* readObjects(
  { processing, counts, step }: Run,
  kind: ObjectKind,
  since: Date,
): AsyncGenerator<readonly Json[], void, undefined> {
  const { what, count, list }: Source = SOURCES[kind];
  const created = { gte: Math.floor(since.getTime() / 1000) };
  const listed: List = (client, page) => list(client, { ...page, created });
  for await (const page of askForPages(processing.api, listed, BOUNDS)) {
    await step();
    if (page.kind !== 'answer') throw incomplete(what, page);
    const objects = page.value.map(asJson).filter(isObject);
    counts[count] += objects.length;
    yield objects;
  }
}

/**
 * One object as it is now, or why Stripe does not give it. Asked only when Stripe is not left
 * alone: so a failure is about this object, not about those before.
 * @throws Incomplete when Stripe cannot be asked
 */
export async function askFor(
  { processing: { api }, step }: Run,
  kind: ObjectKind,
  id: string,
): Promise<Exclude<Answer<Json>, { readonly kind: 'unreachable' }>> {
  await step();
  while (Date.now() < (api.awayUntil() ?? 0)) {
    await sleep(LOOK_EVERY);
    await step();
  }
  const { ask }: Source = SOURCES[kind];
  const answer = await api.ask((client) => ask(client, id));
  if (answer.kind === 'unusable') return answer;
  const value = asJson(answerOrIncomplete(answer));
  if (isObject(value)) return { kind: 'answer', value };
  return { kind: 'unusable', reason: "Stripe's answer is no object" };
}

/** @throws Incomplete */
export function answerOrIncomplete<T>(answer: Answer<T>): T {
  if (answer.kind === 'answer') return answer.value;
  throw new Incomplete(answer.reason);
}

/** What ends the pass of a list. */
function incomplete(what: string, answer: NoAnswer) {
  // That Stripe is away is told once, and not of every list.
  return new Incomplete(answer === AWAY ? answer.reason : `${what}: ${answer.reason}`);
}

export function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null));
}
