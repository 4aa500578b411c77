import { Stripe } from 'stripe';
import { isId } from '../shapes/json.ts';

/** What Stripe's API answered, or why there is no answer that can be used. */
export type Answer<T> =
  | { readonly kind: 'answer'; readonly value: T }
  /** No answer, an error of Stripe's, too many requests, a refused key: better later. */
  | { readonly kind: 'unreachable'; readonly reason: string }
  /** An answer that will stay the same and that nothing can be made of. */
  | { readonly kind: 'unusable'; readonly reason: string; readonly refusal?: StripeRefusal };

/** Why there is no answer that can be used. */
export type NoAnswer = Exclude<Answer<never>, { readonly kind: 'answer' }>;

/** How Stripe refused a request, for who sent it; ids and codes, no texts. */
interface StripeRefusal {
  readonly status: number;
  /** Such as `invalid_request_error`, `idempotency_error`. */
  readonly type: string | null;
  /** Such as `resource_missing`. */
  readonly code: string | null;
  /** What it complains about, such as `line_items[0][price]`. */
  readonly param: string | null;
  /** `req_…`, under which Stripe's dashboard shows the request. */
  readonly requestId: string | null;
}

/** Stripe's API, left alone for a while when it does not answer. */
export interface StripeApi {
  /** Never throws for what Stripe says or fails to say. */
  readonly ask: <T>(question: (client: Stripe) => Promise<T>) => Promise<Answer<T>>;
  /** While it counts as away: until when it is left alone, in ms since 1970. Else null. */
  readonly awayUntil: () => number | null;
}

/** After so many failures in a row Stripe counts as away, and is left alone for so long, in ms. */
const FAILURES = 3;
const LEFT_ALONE = 5_000;

/** Stripe is there, but still at work on a request with the same Idempotency-Key. */
const BUSY = { kind: 'unreachable', reason: "Stripe's API is still at the same request" } as const;
/** How often it is asked again; the client waits for half a second between its own two requests. */
const BUSY_REPEATS = 3;
/** Stripe is there, but a restricted key may not ask this; what else it asks is answered. */
const FORBIDDEN = { kind: 'unreachable', reason: "Stripe's API refuses the key: 403" } as const;
/** Stripe does not answer at all. */
export const AWAY = { kind: 'unreachable', reason: "Stripe's API cannot be reached" } as const;

/**
 * @param onBack called when Stripe answers again: what was parked for its absence may be woken
 */
export function createStripeApi(client: Stripe, onBack: () => Promise<void>): StripeApi {
  let failures = 0;
  let latest: Extract<Answer<never>, { kind: 'unreachable' }> = AWAY;
  let askAgainAt = 0;
  const awayUntil = () => (failures >= FAILURES ? askAgainAt : null);
  return {
    awayUntil,
    async ask(question) {
      // A hanging API must not hold every attempt for its whole time-out, one after another.
      if (Date.now() < (awayUntil() ?? 0)) return latest;
      const answer = await answerOnceIdle(() => question(client));
      if (answer === BUSY || answer === FORBIDDEN) return answer;
      if (answer.kind === 'unreachable') {
        failures += 1;
        latest = answer;
        askAgainAt = Date.now() + LEFT_ALONE;
      } else if (failures > 0) {
        failures = 0;
        await onBack();
      }
      return answer;
    },
  };
}

/** What another server asks with the same key will be answered to both alike, once it is done. */
async function answerOnceIdle<T>(question: () => Promise<T>): Promise<Answer<T>> {
  let answer = await answerTo(question);
  for (let i = 0; i < BUSY_REPEATS && answer === BUSY; i++) answer = await answerTo(question);
  return answer;
}

/**
 * A 4xx is Stripe's answer and stays the same; everything else is its absence. A refused key is as
 * good as absence, because it is about the key and not about what was asked for.
 */
async function answerTo<T>(question: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { kind: 'answer', value: await question() };
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error;
    const { statusCode, code } = error;
    const isAnswer = statusCode !== undefined && statusCode >= 400 && statusCode < 500;
    if (statusCode === 409) return BUSY;
    if (!isAnswer || statusCode === 429) return AWAY;
    if (statusCode === 403) return FORBIDDEN;
    if (statusCode === 401) {
      return { kind: 'unreachable', reason: "Stripe's API refuses the key: 401" };
    }
    const detail = isId(code) ? ` ${code}` : '';
    const reason = `Stripe's API answers ${statusCode}${detail}`;
    return { kind: 'unusable', reason, refusal: refusalOf(error, statusCode) };
  }
}

function refusalOf(
  error: InstanceType<typeof Stripe.errors.StripeError>,
  status: number,
): StripeRefusal {
  const { rawType: type, code, param, requestId } = error;
  const textOf = (value: unknown) => (isId(value) ? value : null);
  return {
    status,
    type: textOf(type),
    code: textOf(code),
    param: textOf(param),
    requestId: textOf(requestId),
  };
}

/** What a list endpoint takes and gives. */
interface Page<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
}

/** The largest page that Stripe gives, and the most pages that are read of one list. */
const PAGE = 100;
const PAGES = 10;
/** How long all pages may take together, in milliseconds: well below an event's lease. */
const TIME = 20_000;

/** How much of a list is read; by default a payment's worth. */
export interface Bounds {
  readonly pages: number;
  /** For all pages together, in milliseconds. */
  readonly time: number;
}

const USUAL: Bounds = { pages: PAGES, time: TIME };

type List<T> = (
  client: Stripe,
  page: { limit: number; starting_after?: string },
) => Promise<Page<T>>;

/**
 * The pages of a list, in Stripe's order: the newest first. An answer that is no page is the last
 * one: why the rest cannot be had, a bound that was reached among it.
 */
export async function* askForPages<T extends { readonly id: string }>(
  api: StripeApi,
  list: List<T>,
  { pages, time }: Bounds = USUAL,
): AsyncGenerator<Answer<readonly T[]>, void, undefined> {
  const until = Date.now() + time;
  for (let page = 0, after: string | undefined; page < pages; page++) {
    const params = { limit: PAGE, ...(after !== undefined && { starting_after: after }) };
    const answer = await api.ask((client) => list(client, params));
    if (answer.kind !== 'answer') return yield answer;
    const { data, has_more: hasMore } = answer.value;
    if (!Array.isArray(data)) {
      return yield { kind: 'unusable', reason: "Stripe's answer is not a list" };
    }
    yield { kind: 'answer', value: data };
    if (!hasMore) return;
    after = data.at(-1)?.id;
    if (!isId(after) || Date.now() > until) return yield AWAY;
  }
  yield { kind: 'unusable', reason: `it has more than ${PAGE * pages} items` };
}

/** Every item of a list, up to a bound beyond which the list is unusable. */
export async function askForAll<T extends { readonly id: string }>(
  api: StripeApi,
  list: List<T>,
  bounds: Bounds = USUAL,
): Promise<Answer<readonly T[]>> {
  const all: T[] = [];
  for await (const page of askForPages(api, list, bounds)) {
    if (page.kind !== 'answer') return page;
    all.push(...page.value);
  }
  return { kind: 'answer', value: all };
}
