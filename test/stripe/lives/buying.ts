import type { Happening } from '../../../packages/fake-stripe/src/life/life.ts';
import { Refusal } from '../../../packages/fake-stripe/src/refusal.ts';
import { type Customer, type News, newsOf, pick } from './customer.ts';
import {
  costOf,
  creditsByHand,
  creditsInTrial,
  creditsOf,
  type Item,
  lineOf,
  paidOnly,
  priceOf,
} from './offers.ts';
import type { GrantModel } from './payment.ts';
import type { StepOf } from './step.ts';

/** What gives credits: packs, manual invoices and subscriptions. */
export function createBuying({ fake, userId, customer, payments, planExpires }: Customer) {
  const subscriptions: { readonly id: string; items: readonly Item[] }[] = [];

  function buy({ items, how: wanted, invoiced }: StepOf<'buy'>): News {
    const paid = costOf(items);
    const how = paid === 0 ? 'card' : wanted;
    const lines = items.map(lineOf);
    const { id } = fake.createSession({ userId, customer, lines, invoiceCreation: invoiced });
    const completed = fake.paySession(id, { method: how === 'declined' ? 'slow' : how });
    const ended =
      how === 'card' ? null : fake.endSlowPayment(id, how === 'slow' ? 'succeeded' : 'failed');
    const session = (ended ?? completed).object;
    const events = [...completed.events, ...(ended?.events ?? [])];
    if (how === 'declined') return { events, session: { id, owed: false } };
    const invoice = textOf(session['invoice']);
    const intent = textOf(session['payment_intent']);
    const grants = purchased(creditsOf(items));
    const names = namesOf(id, invoice, intent);
    payments.push({ names, invoice, intent, grants, paid, charged: paid, back: new Map() });
    return { events, session: { id, owed: grants.length > 0 } };
  }

  function invoice({ items, how }: StepOf<'invoice'>): News {
    const lines = items.map(lineOf);
    const happening = fake.issueInvoice({ customer, lines, metadata: { user_id: userId }, how });
    return billed(happening, () => purchased(creditsByHand(items)));
  }

  function subscribe({ items: wanted, trial, checkout }: StepOf<'subscribe'>): News {
    const about = { userId, customer, trialDays: trial ? 7 : 0 };
    const items = checkout ? wanted : paidOnly(wanted.slice(0, 1));
    const credits = trial ? creditsInTrial(items) : creditsOf(items);
    const lines = items.map(lineOf);
    if (!checkout) {
      const { price, quantity } = pick(lines, 0);
      const happening = fake.subscribe({ ...about, price, quantity });
      subscriptions.push({ id: happening.object.id, items });
      return billed(happening, included(credits));
    }
    const { id } = fake.createSession({ ...about, mode: 'subscription', lines });
    const happening = fake.paySession(id);
    subscriptions.push({ id: String(happening.object['subscription']), items });
    const session = { id, owed: credits.length > 0 };
    return { ...billed(happening, included(credits)), session };
  }

  function renew({ which }: StepOf<'renew'>): News {
    const { id, items } = pick(subscriptions, which);
    return billed(fake.renewSubscription(id), included(creditsOf(paidOnly(items))));
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
    const credits = resetPeriod ? creditsOf(paidOnly(subscription.items)) : [];
    return billed(happening, included(credits));
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
      });
    }
    return newsOf({ events });
  }

  function included(credits: readonly number[]) {
    return (invoice: string): readonly GrantModel[] => {
      const expiresAt = planExpires ? endOfPeriod(invoice) : null;
      return credits.map((one) => ({ kind: 'included', credits: one, expiresAt }));
    };
  }

  function endOfPeriod(invoice: string): number | null {
    const { lines } = fake.store.need('invoice', invoice);
    const period = lines.find(({ proration }) => !proration);
    return period ? period.periodEnd * 1000 : null;
  }

  return { buy, invoice, subscribe, renew, cancel, change };
}

function purchased(credits: readonly number[]): readonly GrantModel[] {
  return credits.map((one) => ({ kind: 'purchase', credits: one, expiresAt: null }));
}

const namesOf = (...names: readonly (string | null)[]) => names.filter((name) => name !== null);

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
