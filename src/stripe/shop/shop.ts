import type { FastifyBaseLogger, FastifyPluginAsync } from 'fastify';
import type { Pool } from 'pg';
import type { Balance } from '../../ledger/read/balance.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { PriceBook } from '../catalogue/price-book.ts';
import type { Processing } from '../fulfil/processing.ts';
import { createCheckout } from './checkout.ts';
import { createCheckoutSync } from './checkout-sync.ts';
import { createCustomers } from './customers.ts';
import { createReturnUrls } from './return-urls.ts';
import { createCheckoutSessionRoute } from './routes/create-checkout-session.ts';
import { createPortalSessionRoute } from './routes/create-portal-session.ts';
import { syncCheckoutSessionRoute } from './routes/sync-checkout-session.ts';

export interface ShopOptions {
  readonly pool: Pool;
  readonly processing: Processing;
  readonly catalogue: Pick<Catalogue, 'find'>;
  readonly prices: PriceBook;
  /** Whether Stripe makes an invoice of one-off purchases, too. */
  readonly invoicesPurchases: boolean;
  readonly balance: (userId: string) => Promise<Balance>;
  /** The origin to which a buyer returns by default. */
  readonly frontEnd: string;
  /** The origins to which a buyer may return. */
  readonly origins: readonly string[];
  readonly log: FastifyBaseLogger;
}

/** The routes with which a signed-in user buys; they must be registered behind the guard. */
export function createShop(options: ShopOptions): FastifyPluginAsync {
  const { pool, processing, catalogue, prices, balance, frontEnd, origins, log } = options;
  const { api, users, intents } = processing;
  const customers = createCustomers({ pool, api, users });
  const parts = { api, catalogue, customers, intents, prices, log };
  const checkout = createCheckout({ ...parts, invoicesPurchases: options.invoicesPurchases });
  const urls = createReturnUrls(frontEnd, origins);
  return async (app) => {
    await app.register(createCheckoutSessionRoute({ open: checkout.open, urls }));
    await app.register(syncCheckoutSessionRoute({ sync: createCheckoutSync(processing), balance }));
    await app.register(createPortalSessionRoute({ api, customers, urls }));
  };
}
