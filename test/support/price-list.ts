import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** What a test says of a Price; the rest is usual. */
interface PriceGiven {
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** The product's name. */
  readonly name?: string;
  readonly description?: string;
  readonly [field: string]: unknown;
}

/** Stripe's list of active Prices, as the API gives it. */
export interface PriceList {
  /** What to give as STRIPE_API_BASE. */
  readonly url: string;
  /** Replaces all prices. */
  readonly offer: (prices: Readonly<Record<string, PriceGiven>>) => void;
  /** Makes every request fail with this status; null ends it. */
  readonly fail: (status: number | null) => void;
  readonly pagesRead: () => number;
}

/** Serves GET /v1/prices in pages and GET /v1/account, until the test ends. */
export async function startPriceList({ account = 'acct_1' } = {}): Promise<PriceList> {
  let prices: readonly { readonly id: string }[] = [];
  let failure: number | null = null;
  let pages = 0;

  function answer(url: URL): readonly [status: number, body: unknown] {
    if (failure !== null) return [failure, { error: { message: 'The test made it fail.' } }];
    if (url.pathname === '/v1/account') return [200, { id: account, object: 'account' }];
    const { limit, active, starting_after: after } = Object.fromEntries(url.searchParams);
    const expanded = url.searchParams.get('expand[0]');
    if (url.pathname !== '/v1/prices' || active !== 'true' || expanded !== 'data.product') {
      return [404, { error: { message: `unexpected ${url.pathname}${url.search}` } }];
    }
    pages += 1;
    const start = prices.findIndex(({ id }) => id === after) + 1;
    const end = start + Number(limit);
    return [200, { object: 'list', data: prices.slice(start, end), has_more: end < prices.length }];
  }

  const server = createServer((request, response) => {
    const [status, body] = answer(new URL(request.url ?? '', 'http://stripe'));
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    offer(given) {
      prices = Object.entries(given).map(([id, price]) => priceObject(id, price));
    },
    fail(status) {
      failure = status;
    },
    pagesRead: () => pages,
  };
}

/** @see https://docs.stripe.com/api/prices/object */
function priceObject(id: string, { metadata = {}, name, description, ...more }: PriceGiven) {
  return {
    id,
    object: 'price',
    active: true,
    billing_scheme: 'per_unit',
    currency: 'usd',
    livemode: false,
    metadata,
    nickname: 'hidden from customers',
    product: {
      id: `prod_${id}`,
      object: 'product',
      name: name ?? `Product of ${id}`,
      description: description ?? null,
    },
    recurring: null,
    transform_quantity: null,
    type: 'one_time',
    unit_amount: 1000,
    unit_amount_decimal: '1000',
    ...more,
  };
}

/** The fields of a Price that is paid every so many months. */
export const monthly = (count = 1) => ({
  type: 'recurring',
  recurring: { interval: 'month', interval_count: count, usage_type: 'licensed' },
});
