import { PurserError } from '../../errors.ts';
import { MAX_AMOUNT } from '../../ledger/core/command.ts';
import type { Answer, StripeApi } from '../api/api.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { PriceBook } from '../catalogue/price-book.ts';
import type { Customers } from '../shop/customers.ts';
import { answerOf, isMissing } from '../shop/refusals.ts';
import type { TopUpSettings, Wish } from './settings.ts';

export interface OptInOptions {
  readonly api: StripeApi;
  readonly catalogue: Pick<Catalogue, 'find'>;
  readonly prices: PriceBook;
  readonly customers: Pick<Customers, 'find'>;
  readonly settings: Pick<TopUpSettings, 'save'>;
}

/** What a user says; the rest of a wish follows from the price and from the saved card. */
type Said = Pick<Wish, 'userId' | 'price' | 'quantity' | 'threshold' | 'monthlyCap'>;

/** Switches auto top-up on. */
export type OptIn = (said: Said) => Promise<void>;

/**
 * The price must be for sale, paid once, and give credits; one top-up must bring as many as the
 * threshold, and the cap must allow one. The card that pays is the user's newest saved one, and
 * stays the same until the user says so again.
 * @throws PurserError `price_not_for_sale`, `checkout_refused`, `invalid_request`,
 *   `no_payment_method`, `stripe_unavailable` …
 */
export function createOptIn(options: OptInOptions): OptIn {
  const { api, catalogue, prices, customers, settings } = options;

  return async (said) => {
    const { price, quantity, threshold, monthlyCap, userId } = said;
    const terms = (await catalogue.find([price])).get(price);
    const fact = answerOf(await prices.find([price])).get(price);
    if (!terms?.forSale || terms.credits === 0 || !fact) throw notForSale(price);
    if (fact.interval !== null || fact.amount === null || fact.amount === 0) {
      throw notForSale(price, 'A top-up needs a price that is paid once, of a fixed amount.');
    }
    const credits = terms.credits * quantity;
    if (credits > MAX_AMOUNT) {
      throw new PurserError('checkout_refused', {
        message: `One purchase gives at most ${MAX_AMOUNT} credits.`,
      });
    }
    if (threshold > credits) {
      throw new PurserError('invalid_request', {
        message: `The field \`threshold\` must be at most what one top-up gives, ${credits} credits.`,
        fields: { field: 'threshold' },
      });
    }
    const amount = fact.amount * quantity;
    if (monthlyCap < amount) {
      throw new PurserError('invalid_request', {
        message: `The field \`monthly_cap\` must allow one top-up, which costs ${amount}.`,
        fields: { field: 'monthly_cap' },
      });
    }
    const saved = await findCard(userId);
    if (saved === null) throw new PurserError('no_payment_method');
    await settings.save({ ...said, ...saved, amount, currency: fact.currency });
  };

  /** Cards only: other ways to pay are told days later whether they succeeded. */
  async function findCard(
    userId: string,
  ): Promise<Pick<Wish, 'customer' | 'paymentMethod'> | null> {
    const customer = await customers.find(userId);
    if (customer === null) return null;
    const answer: Answer<string | null> = await api.ask(async (client) => {
      const { data } = await client.customers.listPaymentMethods(customer, {
        type: 'card',
        limit: 1,
      });
      return data[0]?.id ?? null;
    });
    if (isMissing(answer, 'customer') || isMissing(answer, 'id')) return null;
    const paymentMethod = answerOf(answer);
    return paymentMethod === null ? null : { customer, paymentMethod };
  }
}

function notForSale(price: string, message?: string): PurserError {
  return new PurserError('price_not_for_sale', { ...(message && { message }), fields: { price } });
}
