import type { Happening } from '../../../packages/fake-stripe/src/life/life.ts';
import { Refusal } from '../../../packages/fake-stripe/src/refusal.ts';
import { type Customer, type News, newsOf, pick } from './customer.ts';
import {
  costOf,
  creditsOf,
  daysOf,
  giving,
  givingByHand,
  givingInTrial,
  type Item,
  lineOf,
  paidOnly,
  priceOf,
} from './offers.ts';
import { type GrantModel, partOf, shareOf } from './payment.ts';
import type { StepOf } from './step.ts';

/** In seconds. */
const DAY = 86_400;

/** What gives credits: packs, manual invoices and subscriptions. */
export function createBuying({ fake, userId, customer, payments, time, ...expiry }: Customer) {
  const subscriptions: { readonly id: string; items: readonly Item[] }[] = [];

  function buy({ items, how: wanted, invoiced, days, percent, shape }: StepOf<'buy'>): News {
    const asked = costOf(items);
    const how = asked === 0 ? 'card' : wanted;
    const { id } = fake.createSession({
      ...{ userId, customer, lines: items.map(lineOf) },
      ...(how === 'captured' ? { capture: 'manual' } : { invoiceCreation: invoiced }),
    });
    const isSlow = how === 'slow' || how === 'declined';
    const { object, events } = fake.paySession(id, { method: isSlow ? 'slow' : 'card' });
    if (how !== 'card') time.wait(Math.min(days * DAY, time.left()));
    const intent = textOf(object['payment_intent']);
    const paid = how === 'captured' ? shareOf(asked, percent) : asked;
    const later = isSlow
      ? fake.endSlowPayment(id, how === 'slow' ? 'succeeded' : 'failed').events
      : how === 'captured'
        ? fake.capturePayment(intent ?? '', paid, shape).events
        : [];
    const told = [...events, ...later];
    if (how === 'declined') return { events: told, session: { id, owed: false } };
    const { invoice } = fake.store.need('checkout.session', id);
    const grants = partOf(purchased(giving(items)), paid, asked);
    const names = namesOf(id, invoice, intent);
    const money = { paid, charged: paid, released: asked - paid, back: new Map() };
    payments.push({ names, invoice, intent, grants, ...money });
    return { events: told, session: { id, owed: grants.length > 0 } };
  }

  function invoice({ items, how }: StepOf<'invoice'>): News {
    const lines = items.map(lineOf);
    const happening = fake.issueInvoice({ customer, lines, metadata: { user_id: userId }, how });
    return billed(happening, () => purchased(givingByHand(items)));
  }

  function subscribe({ items: wanted, trial, checkout }: StepOf<'subscribe'>): News {
    const about = { userId, customer, trialDays: trial ? 7 : 0 };
    const items = checkout ? wanted : paidOnly(wanted.slice(0, 1));
    const given = trial ? givingInTrial(items) : giving(items);
    const lines = items.map(lineOf);
    if (!checkout) {
      const { price, quantity } = pick(lines, 0);
      const happening = fake.subscribe({ ...about, price, quantity });
      subscriptions.push({ id: happening.object.id, items });
      return billed(happening, included(given));
    }
    const { id } = fake.createSession({ ...about, mode: 'subscription', lines });
    const happening = fake.paySession(id);
    subscriptions.push({ id: String(happening.object['subscription']), items });
    return { ...billed(happening, included(given)), session: { id, owed: given.length > 0 } };
  }

  function renew({ which }: StepOf<'renew'>): News {
    const { id, items } = pick(subscriptions, which);
    return billed(fake.renewSubscription(id), included(paidOnly(items)));
  }

  function cancel({ which }: StepOf<'cancel'>): News {
    return newsOf(fake.cancelSubscription(pick(subscriptions, which).id));
  }

  function change({ which, offer, quantity, ...how }: StepOf<'change'>): News {
    const subscription = pick(subscriptions, which);
    const [, ...others] = subscription.items;
    if (others.some((one) => one.offer === offer)) throw new Refusal('it has this plan already');
    const { proration, resetPeriod } = how;
    const happening = fake.changeSubscription(subscription.id, {
      ...{ price: priceOf(offer), quantity, proration, resetPeriod },
    });
    subscription.items = [{ offer, quantity, free: false }, ...others];
    // Prorations give nothing: only a period that begins anew does.
    return billed(happening, included(resetPeriod ? paidOnly(subscription.items) : []));
  }

  /** The invoice, if one was paid, beside what it should give. */
  function billed({ events }: Happening, give: (invoice: string) => readonly GrantModel[]): News {
    const invoice = events.find(({ type }) => type === 'invoice.paid')?.data.object;
    const payment = events.find(({ type }) => type === 'invoice_payment.paid')?.data.object;
    const intent = textOf((payment?.['payment'] as { payment_intent?: unknown })?.payment_intent);
    if (invoice) {
      const { id, total, amount_paid: charged } = invoice;
      payments.push({
        ...{ names: namesOf(id, intent), invoice: id, intent, back: new Map() },
        ...{ grants: give(id), paid: Math.max(0, Number(total)), charged: Number(charged) },
        released: 0,
      });
    }
    return newsOf({ events });
  }

  function included(items: readonly Item[]) {
    return (invoice: string): readonly GrantModel[] => {
      const expiresAt = expiry.planExpires ? endOfPeriod(invoice) : null;
      return items.map((one) => ({ kind: 'included', credits: creditsOf(one), expiresAt }));
    };
  }

  /** What is paid for at this moment. */
  function purchased(items: readonly Item[]): readonly GrantModel[] {
    const today = Math.floor(time.now() / DAY);
    return items.map((one) => {
      const days = expiry.packExpires ? daysOf(one) : null;
      const expiresAt = days === null ? null : (today + days + 1) * DAY * 1000;
      return { kind: 'purchase', credits: creditsOf(one), expiresAt };
    });
  }

  function endOfPeriod(invoice: string): number | null {
    const { lines } = fake.store.need('invoice', invoice);
    const period = lines.find(({ proration }) => !proration);
    return period ? period.periodEnd * 1000 : null;
  }

  return { buy, invoice, subscribe, renew, cancel, change };
}

const namesOf = (...names: readonly (string | null)[]) => names.filter((name) => name !== null);

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
