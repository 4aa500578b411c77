import { type Metadata, type StripeObject, taxes, type View } from './object.ts';
import { type PriceRecord, renderPlan, renderPrice } from './price.ts';

/** A line of an invoice. Amounts are in cents. */
export interface InvoiceLine {
  readonly id: string;
  /** Null for a line that was made from an amount. */
  readonly price: PriceRecord | null;
  readonly description: string;
  /** Before discounts and taxes; below 0 for what is given back. */
  readonly amount: number;
  readonly discount: number;
  readonly tax: number;
  readonly quantity: number;
  readonly proration: boolean;
  readonly subscription: string | null;
  readonly subscriptionItem: string | null;
  readonly periodStart: number;
  readonly periodEnd: number;
  readonly metadata: Metadata;
}

export function renderInvoiceLine(line: InvoiceLine, invoice: string, view: View): StripeObject {
  const { id, amount, description, discount, quantity, metadata, tax } = line;
  const currency = line.price?.currency ?? 'usd';
  const acacia = view.shape === 'acacia';
  return {
    id,
    object: 'line_item',
    amount,
    currency,
    description,
    discount_amounts: discount === 0 ? [] : [{ amount: discount, discount: 'di_sim' }],
    discountable: !line.proration,
    discounts: discount === 0 ? [] : ['di_sim'],
    invoice,
    livemode: view.livemode,
    metadata,
    period: { end: line.periodEnd, start: line.periodStart },
    pretax_credit_amounts: [],
    quantity,
    ...(acacia ? ofAcacia(line, view) : ofToday(line)),
    subtotal: amount,
    [acacia ? 'tax_amounts' : 'taxes']: taxes(tax, view),
  };
}

function ofAcacia(line: InvoiceLine, view: View) {
  const { id, price, amount, discount, quantity, proration, subscription } = line;
  const isItem = line.subscriptionItem !== null;
  return {
    amount_excluding_tax: amount - discount,
    ...(!isItem && { invoice_item: id.replace(/^il_/, 'ii_') }),
    plan: price && renderPlan(price, view),
    price: price && renderPrice(price, view),
    proration,
    proration_details: { credited_items: null },
    subscription,
    ...(isItem && { subscription_item: line.subscriptionItem }),
    tax_rates: [],
    type: isItem ? 'subscription' : 'invoiceitem',
    unit_amount_excluding_tax: String(amount / quantity),
  };
}

function ofToday(line: InvoiceLine) {
  const { id, price, amount, quantity, proration, subscription, subscriptionItem } = line;
  const shared = { proration, proration_details: { credited_items: null }, subscription };
  const invoiceItem = id.replace(/^il_/, 'ii_');
  return {
    parent:
      subscriptionItem === null
        ? {
            invoice_item_details: { invoice_item: invoiceItem, ...shared },
            subscription_item_details: null,
            type: 'invoice_item_details',
          }
        : {
            invoice_item_details: null,
            subscription_item_details: {
              invoice_item: proration ? invoiceItem : null,
              ...shared,
              subscription_item: subscriptionItem,
            },
            type: 'subscription_item_details',
          },
    pricing: price && {
      price_details: { price: price.id, product: price.product },
      type: 'price_details',
      unit_amount_decimal: String(proration ? amount / quantity : price.unitAmount),
    },
    quantity_decimal: String(quantity),
  };
}
