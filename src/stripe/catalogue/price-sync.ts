import type { Pool } from 'pg';
import { type Answer, askForAll, type StripeApi } from '../api/api.ts';
import { at, idOf, isId, isObject, wholeNumber } from '../shapes/json.ts';
import { readTerms } from './catalogue-json.ts';
import { listCatalogue } from './catalogue-list.ts';
import { type Change, compareWithPublished, publish, type Source } from './publish.ts';
import { recordPrices, type StripePrice } from './stripe-prices.ts';
import type { Terms } from './terms.ts';

/** What the metadata of Stripe's Prices came to. */
export interface PriceSync {
  readonly changes: readonly Change[];
  /** Prices with metadata that cannot be used; each problem begins with the field. */
  readonly refused: readonly { readonly price: string; readonly problems: readonly string[] }[];
  /** How many prices give credits now as before. */
  readonly unchanged: number;
  /** Prices of which somebody says what counts more than their metadata, and who. */
  readonly outranked: readonly {
    readonly price: string;
    readonly by: Exclude<Source, 'stripe'>;
  }[];
}

export interface PriceSyncOptions {
  readonly pool: Pool;
  readonly api: StripeApi;
  /** Only says what would change. */
  readonly dryRun: boolean;
}

/** 10,000 prices, in a minute and a half. */
const BOUNDS = { pages: 100, time: 90_000 } as const;

/**
 * Publishes what the metadata of Stripe's active Prices say: `credits`, `credits_category`,
 * `credits_expires`, `credits_trial`, `credits_free`, `credits_manual`. A price without any is none
 * of Purser's; one with something that cannot be used is not published, and stays as it was. What
 * Stripe says of amount, currency and name is recorded of all, for display.
 */
export async function syncPrices({
  pool,
  api,
  dryRun,
}: PriceSyncOptions): Promise<Answer<PriceSync>> {
  const list = await askForAll(
    api,
    (client, page) => client.prices.list({ ...page, active: true, expand: ['data.product'] }),
    BOUNDS,
  );
  if (list.kind !== 'answer') return list;
  const offers = list.value.filter(({ id }) => isId(id)).map(readOffer);
  const prices = new Map<string, Terms>();
  for (const { price, terms } of offers) if (terms) prices.set(price.id, terms);
  const refused = offers
    .filter(({ problems }) => problems.length > 0)
    .map(({ price, problems }) => ({ price: price.id, problems }));
  const untouched = new Set(refused.map(({ price }) => price));
  const publication = { source: 'stripe', prices, untouched } as const;
  if (!dryRun)
    await recordPrices(
      pool,
      offers.map(({ price }) => price),
    );
  const changes = await (dryRun ? compareWithPublished : publish)(pool, publication);
  const said = changes.filter(({ after }) => after !== null).length;
  const outranked = (await listCatalogue(pool)).flatMap(({ price, source }) =>
    source !== 'stripe' && prices.has(price) ? [{ price, by: source }] : [],
  );
  return { kind: 'answer', value: { changes, refused, unchanged: prices.size - said, outranked } };
}

/** A Price as it is shown, with the terms in its metadata. */
interface Offer {
  readonly price: StripePrice;
  /** Null when it has none, or none that can be used. */
  readonly terms: Terms | null;
  readonly problems: readonly string[];
}

function readOffer(given: { readonly id: string }): Offer {
  const price = readPrice(given);
  const { json, problems: unknown } = readMetadata(at(given, 'metadata'));
  if (Object.keys(json).length === 0 && unknown.length === 0) {
    return { price, terms: null, problems: [] };
  }
  const read = readTerms(json, fieldOf);
  const problems = [...unknown, ...(read.ok ? [] : read.problems)];
  if (read.ok && read.terms.expires === 'period_end' && price.interval === null) {
    problems.push('credits_expires period_end needs a recurring price: this one is paid once');
  }
  return { price, terms: read.ok && problems.length === 0 ? read.terms : null, problems };
}

const FIELDS = ['credits', 'category', 'expires', 'trial', 'free', 'manual'] as const;
const fieldOf = (member: string) => (member === 'credits' ? member : `credits_${member}`);

/** Metadata are texts, and `credits` is one of digits: "1e9" and " 5" are no amounts. */
function readMetadata(metadata: unknown) {
  const json: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [key, value] of Object.entries(isObject(metadata) ? metadata : {})) {
    const member = FIELDS.find((field) => fieldOf(field) === key);
    if (member === 'credits') {
      json[member] = /^(0|[1-9]\d{0,14})$/.test(String(value)) ? Number(value) : value;
    } else if (member !== undefined) {
      json[member] = value;
    } else if (key.startsWith('credits_')) {
      problems.push(`${JSON.stringify(key)} is not known here`);
    }
  }
  return { json, problems };
}

/**
 * The amount is for one unit, so it is unknown where it depends on the quantity. A price's nickname
 * is hidden from customers; its product's name is what they see.
 */
export function readPrice(given: { readonly id: string }): StripePrice {
  const perUnit = at(given, 'billing_scheme') === 'per_unit' && !at(given, 'transform_quantity');
  const interval = at(given, 'recurring', 'interval');
  return {
    id: given.id,
    name: textOf(at(given, 'product', 'name')),
    description: textOf(at(given, 'product', 'description')),
    amount: perUnit ? wholeNumber(at(given, 'unit_amount')) : null,
    currency: idOf(at(given, 'currency')) ?? '',
    interval: isId(interval) ? interval : null,
    intervalCount: isId(interval)
      ? (wholeNumber(at(given, 'recurring', 'interval_count')) ?? 1)
      : null,
  };
}

/** The longest text that is kept for display, in characters. */
const MAX_TEXT = 1_000;

function textOf(value: unknown): string | null {
  if (typeof value !== 'string' || value === '') return null;
  return value.replaceAll('\0', '').slice(0, MAX_TEXT).toWellFormed();
}
