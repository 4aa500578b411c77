import { Stripe } from 'stripe';
import { isId } from './json.ts';
import { type Line, readInvoiceLine, readLines, readSessionLine } from './shapes.ts';

/** The lines of a payment, or why they are not to be had. */
export type Fetched =
  | { readonly kind: 'lines'; readonly lines: readonly Line[] }
  /** No answer, an error of Stripe's, too many requests, a refused key: better later. */
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'unusable'; readonly reason: string };

/** Fetches the lines of payments from Stripe's API. */
export interface LineReader {
  /** Every line item of a checkout session (`cs_…`), or every line of an invoice (`in_…`). */
  readonly fetch: (key: string) => Promise<Fetched>;
}

/** The largest page that Stripe gives, and the most pages that are read of one payment. */
const PAGE = 100;
const PAGES = 10;
/** How long all pages may take together, in milliseconds: well below an event's lease. */
const TIME = 20_000;

/** After so many failures in a row Stripe counts as away, and is left alone for so long, in ms. */
const FAILURES = 3;
const LEFT_ALONE = 5_000;

type Unreachable = Extract<Fetched, { kind: 'unreachable' }>;
const AWAY: Unreachable = { kind: 'unreachable', reason: "Stripe's API cannot be reached" };

/**
 * @param onBack called when Stripe answers again: what was parked for its absence may be woken
 */
export function createLineReader(client: Stripe, onBack: () => Promise<void>): LineReader {
  let failures = 0;
  let latest = AWAY;
  let askAgainAt = 0;
  return {
    async fetch(key) {
      // A hanging API must not hold every attempt for its whole time-out, one after another.
      if (failures >= FAILURES && Date.now() < askAgainAt) return latest;
      const fetched = await fetchAll(client, key);
      if (fetched.kind === 'unreachable') {
        failures += 1;
        latest = fetched;
        askAgainAt = Date.now() + LEFT_ALONE;
      } else if (failures > 0) {
        failures = 0;
        await onBack();
      }
      return fetched;
    },
  };
}

async function fetchAll(client: Stripe, key: string): Promise<Fetched> {
  const isSession = key.startsWith('cs_');
  const until = Date.now() + TIME;
  const all: Line[] = [];
  try {
    for (let page = 0, after: string | undefined; page < PAGES; page++) {
      const params = { limit: PAGE, ...(after !== undefined && { starting_after: after }) };
      const answer = await (isSession
        ? client.checkout.sessions.listLineItems(key, params)
        : client.invoices.listLineItems(key, params));
      const read = readLines(answer.data, isSession ? readSessionLine : readInvoiceLine);
      if (!read.ok) return { kind: 'unusable', reason: `in Stripe's answer ${read.problem}` };
      all.push(...read.value);
      if (!answer.has_more) return { kind: 'lines', lines: all };
      after = read.value.at(-1)?.id;
      if (!after || Date.now() > until) return AWAY;
    }
    return { kind: 'unusable', reason: `it has more than ${PAGE * PAGES} lines` };
  } catch (error) {
    return refusalOf(error);
  }
}

/**
 * A 4xx is Stripe's answer and stays the same; everything else is its absence. A refused key is as
 * good as absence, because it is about the key and not about the payment.
 */
function refusalOf(error: unknown): Fetched {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  const { statusCode, code } = error;
  const isAnswer = statusCode !== undefined && statusCode >= 400 && statusCode < 500;
  if (!isAnswer || statusCode === 409 || statusCode === 429) return AWAY;
  if (statusCode === 401 || statusCode === 403) {
    return { kind: 'unreachable', reason: `Stripe's API refuses the key: ${statusCode}` };
  }
  return {
    kind: 'unusable',
    reason: `Stripe's API answers ${statusCode}${isId(code) ? ` ${code}` : ''}`,
  };
}
