import type { InvoiceLine } from '../objects/invoice-line.ts';
import type { PriceRecord } from '../objects/price.ts';
import type { SubscriptionItem, SubscriptionRecord } from '../objects/subscription.ts';
import type { World } from '../world.ts';
import type { Collection } from './invoices.ts';
import { periodEnd } from './periods.ts';
import { invoiceSubscription, live, periodLines, rhythmOf } from './subscriptions.ts';

export interface SubscriptionChange {
  /** Which item; the first when it is left out. */
  readonly item?: string;
  readonly price?: PriceRecord;
  readonly quantity?: number;
  /** `always_invoice` bills the prorations at once; `create_prorations`, the next renewal does. */
  readonly proration?: 'create_prorations' | 'always_invoice' | 'none';
  /** Begins a new period now; so does a price of another interval. */
  readonly resetPeriod?: boolean;
  readonly collection?: Collection;
}

/**
 * Changes price or quantity in mid-period. What is left of the old period is given back, and asked
 * for anew at the new terms, in two proration lines.
 */
export function changeSubscription(
  world: World,
  id: string,
  change: SubscriptionChange,
): SubscriptionRecord {
  const { proration = 'create_prorations' } = change;
  const before = live(world, id);
  const old = before.items.find((item) => item.id === change.item) ?? before.items[0];
  if (!old) return before;
  const item: SubscriptionItem = {
    ...old,
    price: change.price ?? old.price,
    quantity: change.quantity ?? old.quantity,
  };
  const items = before.items.map((one) => (one.id === old.id ? item : one));
  const resets = change.resetPeriod || !sameRhythm(before.items, items);
  const now = world.now();
  const changed = world.change(
    before,
    {
      items,
      ...(resets && {
        status: 'active',
        periodStart: now,
        periodEnd: periodEnd(now, rhythmOf(items)),
      }),
    },
    'customer.subscription.updated',
  );
  const left = proration === 'none' ? 0 : shareLeft(before, now);
  const lines = prorationLines(world, before, old, item, left, resets);
  if (resets) lines.push(...periodLines(world, changed));
  if (resets || (proration === 'always_invoice' && lines.length > 0)) {
    const reason = 'subscription_update';
    return invoiceSubscription(world, id, lines, reason, change.collection).subscription;
  }
  return world.change(changed, { pending: [...changed.pending, ...lines] });
}

function sameRhythm(a: readonly SubscriptionItem[], b: readonly SubscriptionItem[]): boolean {
  return JSON.stringify(rhythmOf(a)) === JSON.stringify(rhythmOf(b));
}

/** How much of the period is left, between 0 and 1; of a trial nothing has been paid. */
function shareLeft({ status, periodStart, periodEnd: end }: SubscriptionRecord, now: number) {
  if (status === 'trialing') return 0;
  return Math.min(1, Math.max(0, (end - now) / (end - periodStart)));
}

function prorationLines(
  world: World,
  subscription: SubscriptionRecord,
  old: SubscriptionItem,
  item: SubscriptionItem,
  left: number,
  resets: boolean,
): InvoiceLine[] {
  if (left === 0) return [];
  const line = ({ id, price, quantity }: SubscriptionItem, sign: 1 | -1): InvoiceLine => ({
    id: world.newId('il'),
    price,
    description: `${sign < 0 ? 'Unused' : 'Remaining'} time on ${quantity} × ${price.id}`,
    amount: sign * Math.round(price.unitAmount * quantity * left),
    discount: 0,
    tax: 0,
    quantity,
    proration: true,
    subscription: subscription.id,
    subscriptionItem: id,
    periodStart: world.now(),
    periodEnd: subscription.periodEnd,
    metadata: subscription.metadata,
  });
  return resets ? [line(old, -1)] : [line(old, -1), line(item, 1)];
}
