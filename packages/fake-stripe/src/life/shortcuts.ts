import type { InvoiceRecord } from '../objects/invoice.ts';
import { amountDue } from '../objects/invoice.ts';
import type { InvoiceLine } from '../objects/invoice-line.ts';
import type { Metadata, Shape } from '../objects/object.ts';
import type { SessionLine, SessionRecord } from '../objects/session.ts';
import type { World } from '../world.ts';
import { learnPrice } from './catalogue.ts';
import { learnCustomer } from './customers.ts';
import {
  type Collection,
  draftInvoice,
  finalizeInvoice,
  issueInvoice,
  markPaid,
} from './invoices.ts';
import { startPayment } from './payments.ts';
import { openSession } from './sessions.ts';
import { MONTHLY, startSubscription } from './subscriptions.ts';

/*
 * What a test says in one line. Prices, customers and subscriptions that are named become known
 * as if there had always been some.
 */

export interface LineOptions {
  readonly price: string;
  readonly quantity?: number;
  /** Cents for one; the price's own when it is left out, and 100 for a new one. */
  readonly unitAmount?: number;
  /** Cents off the whole line. */
  readonly discount?: number;
  /** Cents added to the whole line. */
  readonly tax?: number;
  readonly proration?: boolean;
  /** Whether it was added by hand to the invoice of a subscription, of which it is no item. */
  readonly added?: boolean;
  /** How many the buyer may choose. */
  readonly adjustable?: { readonly minimum: number; readonly maximum: number };
}

export interface SessionOptions {
  readonly lines: readonly LineOptions[];
  readonly id?: string;
  readonly mode?: SessionRecord['mode'];
  /** Becomes `metadata.user_id` of the session, its payment intent and its subscription. */
  readonly userId?: string;
  readonly customer?: string | null;
  /** The id that its subscription is to have. */
  readonly subscription?: string | null;
  readonly metadata?: Metadata;
  /** As with invoice_creation: the id that its invoice is to have. */
  readonly invoice?: string | null;
  readonly invoiceCreation?: boolean;
  readonly capture?: 'automatic' | 'manual';
  readonly trialDays?: number;
  readonly successUrl?: string | null;
  readonly cancelUrl?: string | null;
}

/** Opens a session whose prices need not have been made. */
export function createSession(world: World, options: SessionOptions): SessionRecord {
  const { mode = 'payment', userId, customer = null, invoice = null, id } = options;
  const user: Metadata = userId === undefined ? {} : { user_id: userId };
  const recurring = mode === 'subscription';
  if (customer !== null) learnCustomer(world, customer);
  return openSession(world, {
    ...(id !== undefined && { id }),
    mode,
    lines: options.lines.map((line) => sessionLine(world, line, recurring)),
    customer,
    metadata: { ...options.metadata, ...user },
    paymentMetadata: user,
    subscriptionMetadata: user,
    subscription: options.subscription ?? null,
    invoice,
    invoiceMetadata: invoice !== null || options.invoiceCreation ? user : null,
    captureMethod: options.capture ?? 'automatic',
    trialDays: options.trialDays ?? 0,
    successUrl: options.successUrl ?? null,
    cancelUrl: options.cancelUrl ?? null,
  });
}

function sessionLine(world: World, line: LineOptions, recurring: boolean): SessionLine {
  const { quantity = 1, discount = 0, tax = 0, adjustable = null } = line;
  const price = priceOf(world, line, recurring);
  const description = world.store.get('product', price.product)?.name ?? price.id;
  return { id: world.newId('li'), price, description, quantity, discount, tax, adjustable };
}

/** The price as the line has it: with an amount of its own, and a rhythm where one is needed. */
function priceOf(world: World, { price: id, unitAmount }: LineOptions, recurring: boolean) {
  const price = learnPrice(world, id, {
    recurring,
    ...(unitAmount !== undefined && { unitAmount }),
  });
  return {
    ...price,
    unitAmount: unitAmount ?? price.unitAmount,
    recurring: recurring ? (price.recurring ?? MONTHLY) : null,
  };
}

export interface InvoiceOptions {
  readonly lines: readonly LineOptions[];
  readonly id?: string;
  readonly customer?: string | null;
  /** Null for a manual invoice. */
  readonly subscription?: string | null;
  /** Becomes `metadata.user_id` of the subscription. */
  readonly userId?: string;
  readonly billingReason?: string;
  readonly status?: InvoiceRecord['status'];
  /** The payment intent that pays it; one that is known is not charged again. */
  readonly paymentIntent?: string | null;
  /** In which the event is returned. */
  readonly shape?: Shape;
}

/**
 * An invoice with any lines, status and reason, also such as Stripe would not make. It ends with
 * invoice.paid, whatever its status: what an event claims and what its object says may differ.
 */
export function payInvoice(world: World, options: InvoiceOptions): InvoiceRecord {
  const { subscription = null, customer = null, status = 'paid', userId } = options;
  const metadata: Metadata = userId === undefined ? {} : { user_id: userId };
  if (customer !== null) learnCustomer(world, customer);
  const lines = options.lines.map((line) => madeUpLine(world, line, subscription));
  if (subscription !== null) learnSubscription(world, subscription, customer, lines, metadata);
  const known = options.id === undefined ? undefined : world.store.get('invoice', options.id);
  const draft = draftInvoice(world, {
    ...(options.id !== undefined && { id: options.id }),
    customer,
    billingReason: options.billingReason ?? (subscription ? 'subscription_cycle' : 'manual'),
    lines,
    subscription: subscription === null ? null : { id: subscription, metadata },
  });
  if (status === 'draft') {
    world.tell(draft, 'invoice.paid');
    return draft;
  }
  const invoice = finalizeInvoice(world, draft.id);
  if (status !== 'paid') return world.change(invoice, { status }, 'invoice.paid');
  const amount = amountDue(invoice);
  const id = options.paymentIntent ?? known?.paymentIntent ?? undefined;
  const earlier = id === undefined ? undefined : world.store.get('payment_intent', id);
  if (earlier) {
    const paid = world.change(earlier, { invoice: invoice.id });
    if (paid.latestCharge !== null) {
      world.change({ object: 'charge', id: paid.latestCharge }, { invoice: invoice.id });
    }
    return markPaid(world, invoice, paid);
  }
  if (amount === 0) return markPaid(world, invoice, null);
  const payment = { amount, currency: 'usd', customer, invoice: invoice.id };
  return markPaid(world, invoice, startPayment(world, { ...payment, ...(id && { id }) }));
}

function madeUpLine(world: World, line: LineOptions, subscription: string | null): InvoiceLine {
  const { quantity = 1, discount = 0, tax = 0, proration = false, added = false } = line;
  const price = priceOf(world, line, subscription !== null && !added);
  const now = world.now();
  return {
    id: world.newId('il'),
    price,
    description: `${quantity} × ${price.id}`,
    amount: price.unitAmount * quantity,
    discount,
    tax,
    quantity,
    proration,
    subscription,
    subscriptionItem: added ? null : subscription && world.newId('si'),
    periodStart: now,
    periodEnd: added ? now : now + 30 * 86_400,
    metadata: {},
  };
}

/** Makes a subscription known without the events and the invoice that it must have had. */
function learnSubscription(
  world: World,
  id: string,
  customer: string | null,
  lines: readonly InvoiceLine[],
  metadata: Metadata,
): void {
  if (world.store.get('subscription', id) || customer === null) return;
  const now = world.now();
  const items = lines.flatMap(({ price, quantity, proration }) =>
    price && !proration ? [{ id: world.newId('si'), created: now, price, quantity }] : [],
  );
  world.create({
    object: 'subscription',
    id,
    created: now,
    customer,
    currency: 'usd',
    items,
    metadata,
    status: 'active',
    trialStart: null,
    trialEnd: null,
    periodStart: now,
    periodEnd: now + 30 * 86_400,
    cancelAtPeriodEnd: false,
    canceledAt: null,
    endedAt: null,
    latestInvoice: null,
    pending: [],
  });
}

export interface SubscribeOptions {
  readonly price: string;
  readonly quantity?: number;
  readonly userId?: string;
  readonly customer?: string;
  readonly trialDays?: number;
}

/** A subscription that was made without a checkout, by the API or in the dashboard. */
export function subscribe(world: World, options: SubscribeOptions) {
  const { price, quantity = 1, userId, customer = world.newId('cus'), trialDays = 0 } = options;
  learnCustomer(world, customer);
  return startSubscription(world, {
    customer,
    items: [{ price: priceOf(world, { price }, true), quantity }],
    metadata: userId === undefined ? {} : { user_id: userId },
    trialDays,
  });
}

export interface ManualInvoiceOptions {
  readonly customer: string;
  readonly lines: readonly LineOptions[];
  readonly metadata?: Metadata;
  readonly how?: Collection;
}

/** An invoice that somebody wrote by hand. */
export function issueManualInvoice(world: World, options: ManualInvoiceOptions): InvoiceRecord {
  const { customer, metadata = {}, how } = options;
  learnCustomer(world, customer);
  const lines = options.lines.map((line) => madeUpLine(world, line, null));
  return issueInvoice(world, { customer, billingReason: 'manual', lines, metadata }, how);
}
