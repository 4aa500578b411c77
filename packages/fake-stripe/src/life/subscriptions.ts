import type { InvoiceRecord } from '../objects/invoice.ts';
import type { InvoiceLine } from '../objects/invoice-line.ts';
import type { Metadata } from '../objects/object.ts';
import type { PriceRecord, Recurring } from '../objects/price.ts';
import type { SubscriptionItem, SubscriptionRecord } from '../objects/subscription.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { type Collection, issueInvoice } from './invoices.ts';
import { periodEnd } from './periods.ts';

export interface SubscriptionPlan {
  readonly customer: string;
  readonly items: readonly {
    readonly price: PriceRecord;
    readonly quantity: number;
    /** Cents off the first invoice's line. */
    readonly discount?: number;
    readonly tax?: number;
  }[];
  /** Paid once, with the first invoice. */
  readonly extras?: readonly InvoiceLine[];
  readonly id?: string;
  readonly metadata?: Metadata;
  readonly trialDays?: number;
}

export const MONTHLY: Recurring = { interval: 'month', intervalCount: 1 };
export const rhythmOf = (items: readonly SubscriptionItem[]): Recurring =>
  items.find(({ price }) => price.recurring)?.price.recurring ?? MONTHLY;

/** A new subscription with its first invoice, which is $0 during a trial. */
export function startSubscription(world: World, plan: SubscriptionPlan, how?: Collection) {
  const { customer, trialDays = 0, metadata = {}, id = world.newId('sub') } = plan;
  const now = world.now();
  const items = plan.items.map(({ price, quantity }) => ({
    id: world.newId('si'),
    created: now,
    price,
    quantity,
  }));
  const trialEnd = trialDays > 0 ? now + trialDays * 86_400 : null;
  const subscription = world.create<SubscriptionRecord>(
    {
      object: 'subscription',
      id,
      created: now,
      customer,
      currency: items[0]?.price.currency ?? 'usd',
      items,
      metadata,
      status: trialEnd === null ? 'active' : 'trialing',
      trialStart: trialEnd === null ? null : now,
      trialEnd,
      periodStart: now,
      periodEnd: trialEnd ?? periodEnd(now, rhythmOf(items)),
      cancelAtPeriodEnd: false,
      canceledAt: null,
      endedAt: null,
      latestInvoice: null,
      pending: [],
    },
    'customer.subscription.created',
  );
  const lines = periodLines(world, subscription).map((line, i) => ({
    ...line,
    discount: trialEnd === null ? (plan.items[i]?.discount ?? 0) : 0,
    tax: trialEnd === null ? (plan.items[i]?.tax ?? 0) : 0,
  }));
  const extras = plan.extras?.map((line) => ({ ...line, subscription: id })) ?? [];
  const reason = 'subscription_create';
  return invoiceSubscription(world, id, [...lines, ...extras], reason, how);
}

/** The lines of the current period: one per item, at $0 during a trial. */
export function periodLines(world: World, record: SubscriptionRecord): InvoiceLine[] {
  const { id, items, metadata, status, periodStart, periodEnd: end } = record;
  const free = status === 'trialing';
  return items.map(({ id: item, price, quantity }) => ({
    id: world.newId('il'),
    price,
    description: `${free ? 'Free trial for ' : ''}${quantity} × ${price.nickname ?? price.id}`,
    amount: free ? 0 : price.unitAmount * quantity,
    discount: 0,
    tax: 0,
    quantity,
    proration: false,
    subscription: id,
    subscriptionItem: item,
    periodStart,
    periodEnd: end,
    metadata,
  }));
}

/** Bills lines to a subscription, and marks it by how its payment went. */
export function invoiceSubscription(
  world: World,
  id: string,
  lines: readonly InvoiceLine[],
  billingReason: string,
  how?: Collection,
): { readonly subscription: SubscriptionRecord; readonly invoice: InvoiceRecord } {
  const { customer, currency, metadata } = world.store.need('subscription', id);
  const plan = { customer, currency, billingReason, lines, subscription: { id, metadata } };
  const invoice = issueInvoice(world, plan, how);
  const subscription = world.change({ object: 'subscription', id }, { latestInvoice: invoice.id });
  if (how !== 'declined') return { subscription, invoice };
  const changes = { status: 'past_due' } as const;
  return {
    subscription: world.change(subscription, changes, 'customer.subscription.updated'),
    invoice,
  };
}

/**
 * The next period, whatever the clock says: it begins where the last one ended. A subscription
 * that is to be canceled at the end of its period ends instead.
 */
export function renewSubscription(world: World, id: string, how?: Collection) {
  const before = live(world, id);
  if (before.cancelAtPeriodEnd) return { subscription: endSubscription(world, id), invoice: null };
  const renewed = world.change(
    before,
    {
      status: 'active',
      periodStart: before.periodEnd,
      periodEnd: periodEnd(before.periodEnd, rhythmOf(before.items)),
      pending: [],
    },
    'customer.subscription.updated',
  );
  const lines = [...before.pending, ...periodLines(world, renewed)];
  return invoiceSubscription(world, id, lines, 'subscription_cycle', how);
}

/** Renews whatever the clock says is due. @returns the ids of the subscriptions */
export function renewDue(world: World): readonly string[] {
  const renewed: string[] = [];
  for (const { id } of world.store.all('subscription')) {
    for (let periods = 0; periods < 100; periods++) {
      const { status, periodEnd: end } = world.store.need('subscription', id);
      if (status === 'canceled' || end > world.now()) break;
      renewSubscription(world, id);
      renewed.push(id);
    }
  }
  return renewed;
}

/** @throws Refusal when it has ended */
export function live(world: World, id: string): SubscriptionRecord {
  const subscription = world.store.need('subscription', id);
  if (subscription.status !== 'canceled') return subscription;
  throw new Refusal('A canceled subscription can only update its cancellation_details.');
}

/** Cancels at once, or at the end of the period. */
export function cancelSubscription(
  world: World,
  id: string,
  { atPeriodEnd = false }: { readonly atPeriodEnd?: boolean } = {},
): SubscriptionRecord {
  if (!atPeriodEnd) return endSubscription(world, id);
  const changes = { cancelAtPeriodEnd: true, canceledAt: world.now() };
  return world.change(live(world, id), changes, 'customer.subscription.updated');
}

export function endSubscription(world: World, id: string): SubscriptionRecord {
  const now = world.now();
  const changes = { status: 'canceled', canceledAt: now, endedAt: now } as const;
  const ended = world.change(live(world, id), changes);
  world.tell(ended, 'customer.subscription.deleted');
  return ended;
}
