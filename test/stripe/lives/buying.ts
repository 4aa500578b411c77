import type { Collection } from '../../../packages/fake-stripe/src/life/invoices.ts';
import type { Happening } from '../../../packages/fake-stripe/src/life/life.ts';
import { amountDue } from '../../../packages/fake-stripe/src/objects/invoice.ts';
import type { InvoiceLine } from '../../../packages/fake-stripe/src/objects/invoice-line.ts';
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
    const grants = partOf(giving(items).map(purchased), paid, asked);
    const names = namesOf(id, invoice, intent);
    const back = { lines: null, back: new Map(), notes: [], released: asked - paid };
    payments.push({ names, invoice, intent, grants, paid, charged: paid, ...back });
    return { events: told, session: { id, owed: grants.length > 0 } };
  }

  function invoice({ items, how, credited }: StepOf<'invoice'>): News {
    const asked = { customer, lines: items.map(lineOf), metadata: { user_id: userId } };
    const happening = collect(credited, how, (how) => fake.issueInvoice({ ...asked, how }));
    return billed(happening, items, givingByHand(items), purchased);
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
      return billed(happening, items, given, included);
    }
    const { id } = fake.createSession({ ...about, mode: 'subscription', lines });
    const happening = fake.paySession(id);
    subscriptions.push({ id: String(happening.object['subscription']), items });
    const session = { id, owed: given.length > 0 };
    return { ...billed(happening, items, given, included), session };
  }

  function renew({ which, credited }: StepOf<'renew'>): News {
    const { id, items } = pick(subscriptions, which);
    const happening = collect(credited, 'card', (how) => fake.renewSubscription(id, how));
    const renewed = paidOnly(items);
    return billed(happening, renewed, renewed, included);
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
    const renewed = resetPeriod ? paidOnly(subscription.items) : [];
    return billed(happening, renewed, renewed, included);
  }

  /** Lets an invoice be paid, after a credit note has lowered it by a part of what is due. */
  function collect(
    percent: number | null,
    how: Collection,
    issue: (how: Collection) => Happening,
  ): Pick<Happening, 'events'> {
    if (percent === null) return issue(how);
    const { events } = issue('not_at_all');
    const id = events.find(({ type }) => type === 'invoice.finalized')?.data.object.id ?? '';
    const due = amountDue(fake.store.need('invoice', id));
    const amount = shareOf(due, percent);
    const noted = due === 0 ? NO_NEWS : fake.issueCreditNote(id, { amount });
    const isPaid = fake.store.need('invoice', id).status === 'paid';
    const paid = isPaid ? NO_NEWS : fake.collectInvoice(id, how);
    return { events: [...events, ...noted.events, ...paid.events] };
  }

  /** The invoice of these items, if one was paid, beside what those that give something should. */
  function billed(
    { events }: Pick<Happening, 'events'>,
    items: readonly Item[],
    given: readonly Item[],
    grantOf: (item: Item, period: InvoiceLine | undefined) => GrantModel,
  ): News {
    const told = events.find(({ type }) => type === 'invoice.paid')?.data.object;
    const payment = events.find(({ type }) => type === 'invoice_payment.paid')?.data.object;
    const intent = textOf((payment?.['payment'] as { payment_intent?: unknown })?.payment_intent);
    if (told) {
      const { id, lines, prePaymentCredit, amountPaid } = fake.store.need('invoice', told.id);
      const periods = lines.filter(({ proration }) => !proration);
      const grants = given.map((one) => {
        const line = periods[items.indexOf(one)];
        return { ...grantOf(one, line), line: line?.id ?? null };
      });
      const costs = lines.map((line) => [line.id, line.amount - line.discount] as const);
      const total = Math.max(
        0,
        costs.reduce((sum, [, cost]) => sum + cost, 0),
      );
      const paid = total - prePaymentCredit;
      const isByLine = paid > 0 && paid === total && costs.every(([, cost]) => cost >= 0);
      payments.push({
        ...{ names: namesOf(id, intent), invoice: id, intent, back: new Map(), notes: [] },
        ...{ grants: partOf(grants, paid, total), paid, charged: amountPaid },
        lines: isByLine ? new Map(costs) : null,
        released: 0,
      });
    }
    return newsOf({ events });
  }

  function included(item: Item, line: InvoiceLine | undefined): GrantModel {
    const expiresAt = expiry.planExpires && line ? line.periodEnd * 1000 : null;
    return { kind: 'included', credits: creditsOf(item), expiresAt, line: null };
  }

  /** What is paid for at this moment. */
  function purchased(item: Item): GrantModel {
    const days = expiry.packExpires ? daysOf(item) : null;
    const today = Math.floor(time.now() / DAY);
    const expiresAt = days === null ? null : (today + days + 1) * DAY * 1000;
    return { kind: 'purchase', credits: creditsOf(item), expiresAt, line: null };
  }

  return { buy, invoice, subscribe, renew, cancel, change };
}

const NO_NEWS = newsOf({ events: [] });

const namesOf = (...names: readonly (string | null)[]) => names.filter((name) => name !== null);

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
