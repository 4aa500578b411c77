import { hash, randomUUID } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { Stripe } from 'stripe';
import { PurserError } from '../../errors.ts';
import { MAX_AMOUNT } from '../../ledger/core/command.ts';
import type { Answer, StripeApi } from '../api/api.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { PriceBook } from '../catalogue/price-book.ts';
import type { StripePrice } from '../catalogue/stripe-prices.ts';
import type { IntentItem, PurchaseIntent, PurchaseIntents } from '../payments/purchase-intents.ts';
import { readMoney } from '../shapes/money.ts';
import type { Customers } from './customers.ts';
import { answerOf, causeOf, isMissing } from './refusals.ts';

export interface CheckoutOptions {
  readonly api: StripeApi;
  readonly catalogue: Pick<Catalogue, 'find'>;
  readonly customers: Pick<Customers, 'findOrCreate' | 'replace'>;
  readonly intents: Pick<PurchaseIntents, 'record'>;
  readonly prices: PriceBook;
  /** Whether Stripe makes an invoice of one-off purchases, too. */
  readonly invoicesPurchases: boolean;
  readonly log: FastifyBaseLogger;
}

/** What somebody wants to buy, and where Stripe sends them afterwards. */
export interface Order {
  readonly userId: string;
  readonly items: readonly { readonly price: string; readonly quantity: number }[];
  /** Whether the buyer may change the quantities on Stripe's page. */
  readonly adjustable: boolean;
  readonly successUrl: string;
  readonly cancelUrl: string;
  /** The caller's Idempotency-Key. */
  readonly idempotencyKey: string | null;
}

export interface OpenedSession {
  readonly id: string;
  /** Stripe's page, on which the buyer pays. */
  readonly url: string;
  /** In seconds since 1970. */
  readonly expiresAt: number;
  /** Whether Stripe had opened it before, under the same key. */
  readonly replayed: boolean;
}

/** The most units of one item, as Stripe's adjustable quantity has it when nothing is said. */
const ADJUSTABLE_TO = 99;
/** How many deleted customers of a user are replaced for one checkout. */
const REPLACEMENTS = 3;

/**
 * Opens checkout sessions. The purchase intent is on record before anybody learns where to pay, so
 * that what is paid is granted to this user, under the terms of this moment.
 */
export function createCheckout(options: CheckoutOptions) {
  const { api, catalogue, customers, intents, prices, log } = options;

  /** @throws PurserError `price_not_for_sale`, `checkout_refused`, `stripe_unavailable` … */
  async function open(order: Order): Promise<OpenedSession> {
    const terms = await priced(order);
    const facts = await factsOf(order);
    const items = order.items.map(({ price, quantity }): IntentItem => {
      const version = terms.get(price)?.version;
      if (version === undefined) throw notForSale(price);
      return { price, version, quantity, amount: facts.get(price)?.amount ?? null };
    });
    const mode = [...facts.values()].some(({ interval }) => interval !== null)
      ? 'subscription'
      : 'payment';
    const { session, id } = await create(order, mode);
    const { userId, adjustable } = order;
    const money = readMoney(session.amount_total, session.currency);
    await intents.record({ id, session: session.id, userId, mode, items, adjustable, money });
    const { url, expires_at: expiresAt } = session;
    // The answer of the time when it was opened: a replay has it even when it has been paid since.
    if (!url)
      throw new PurserError('stripe_refused', { cause: new Error('a session without url') });
    const replayed = session.lastResponse?.headers?.['idempotent-replayed'] === 'true';
    return { id: session.id, url, expiresAt, replayed };
  }

  /** The terms of what is ordered, all of it for sale, and worth what the ledger can take. */
  async function priced({ items, adjustable }: Order) {
    const terms = await catalogue.find(items.map(({ price }) => price));
    let worth = 0;
    for (const { price, quantity } of items) {
      const known = terms.get(price);
      if (!known?.forSale) throw notForSale(price);
      worth += known.credits * (adjustable ? Math.max(quantity, ADJUSTABLE_TO) : quantity);
    }
    const [first] = items;
    if (worth === 0 && first) throw notForSale(first.price);
    if (worth > MAX_AMOUNT) {
      throw new PurserError('checkout_refused', {
        message: `One purchase gives at most ${MAX_AMOUNT} credits.`,
      });
    }
    return terms;
  }

  async function factsOf({ items }: Order): Promise<ReadonlyMap<string, StripePrice>> {
    const found = answerOf(await prices.find(items.map(({ price }) => price)));
    const facts = new Map<string, StripePrice>();
    for (const [price, fact] of found) {
      if (fact === null) throw notForSale(price);
      facts.set(price, fact);
    }
    if (new Set([...facts.values()].map(({ currency }) => currency)).size > 1) {
      throw new PurserError('checkout_refused', {
        message: 'All prices of one purchase must be in the same currency.',
      });
    }
    return facts;
  }

  /**
   * With the user's customer, or another one when Stripe has none of that name any more. Another
   * one may be gone as well: to a key that it remembers Stripe answers with what it made then.
   */
  async function create(order: Order, mode: PurchaseIntent['mode']) {
    let customer = answerOf(await customers.findOrCreate(order.userId));
    let asked = await ask(order, mode, customer);
    for (let i = 0; i < REPLACEMENTS && isMissing(asked.answer, 'customer'); i++) {
      customer = answerOf(await customers.replace(order.userId, customer));
      asked = await ask(order, mode, customer);
    }
    return { id: asked.id, session: sold(asked.answer, log) };
  }

  async function ask(order: Order, mode: PurchaseIntent['mode'], customer: string) {
    const id = intentId(order, customer);
    const params = paramsOf(order, mode, { customer, id, isInvoiced: options.invoicesPurchases });
    const answer = await api.ask((client) =>
      client.checkout.sessions.create(params, { idempotencyKey: id }),
    );
    return { id, answer };
  }

  return { open };
}

/**
 * The intent's id, and the key under which Stripe opens one session only. With the caller's key it
 * is the same at every repeat; without, it protects what the client itself sends twice. The
 * customer is part of it, because a session for another customer is another request.
 */
function intentId({ userId, idempotencyKey }: Order, customer: string): string {
  const what = idempotencyKey === null ? randomUUID() : [userId, idempotencyKey, customer];
  return `checkout_${hash('sha256', JSON.stringify(what), 'base64url')}`;
}

interface Opening {
  readonly customer: string;
  /** The intent's. */
  readonly id: string;
  /** Whether a payment gets an invoice; a subscription has its own. */
  readonly isInvoiced: boolean;
}

/**
 * Metadata is not copied from the session to what comes of it, so each gets its own. An invoice of a
 * one-off purchase is its receipt, so it names no purchase intent: the session grants.
 */
function paramsOf(
  { userId, items, adjustable, successUrl, cancelUrl }: Order,
  mode: PurchaseIntent['mode'],
  { customer, id, isInvoiced }: Opening,
): Stripe.Checkout.SessionCreateParams {
  const user = { user_id: userId };
  const metadata = { ...user, purchase_intent: id };
  return {
    mode,
    customer,
    line_items: items.map(({ price, quantity }) => ({
      price,
      quantity,
      ...(adjustable && {
        adjustable_quantity: { enabled: true, maximum: Math.max(quantity, ADJUSTABLE_TO) },
      }),
    })),
    metadata,
    ...(mode === 'payment'
      ? {
          payment_intent_data: { metadata },
          ...(isInvoiced && {
            invoice_creation: { enabled: true, invoice_data: { metadata: user } },
          }),
        }
      : { subscription_data: { metadata } }),
    success_url: successUrl,
    cancel_url: cancelUrl,
  };
}

/** The session; what Stripe holds against the items is the caller's to change. */
function sold<T>(answer: Answer<T>, log: FastifyBaseLogger): T {
  if (answer.kind !== 'unusable') return answerOf(answer);
  const { reason, refusal } = answer;
  if (!refusal || refusal.type === 'idempotency_error') return answerOf(answer);
  const item = refusal.param?.startsWith('line_items') ?? false;
  if (!item && refusal.param !== null) return answerOf(answer);
  log.warn({ refusal }, 'Stripe refuses to open a checkout');
  const code = item ? 'price_not_for_sale' : 'checkout_refused';
  throw new PurserError(code, {
    ...(item && { message: 'Stripe does not sell one of these prices, or not so many.' }),
    cause: causeOf(reason, refusal),
  });
}

function notForSale(price: string): PurserError {
  return new PurserError('price_not_for_sale', { fields: { price } });
}
