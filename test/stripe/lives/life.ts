import type { FakeStripe } from '../../../packages/fake-stripe/src/fake-stripe.ts';
import type { Happening } from '../../../packages/fake-stripe/src/life/life.ts';
import { Refusal } from '../../../packages/fake-stripe/src/refusal.ts';
import type { PaymentModel } from './payment.ts';
import type { Step, StepOf } from './step.ts';

/** Credits and cents of one pack, and the days after which it expires where packs do. */
export const PACK = { price: 'price_pack', credits: 100, cents: 250, days: 30 } as const;
/** Credits of one period of the plan. */
export const PLAN = { price: 'price_plan', credits: 1000 } as const;

/** What somebody may tell Purser: Stripe by its events, or a buyer who returns from the checkout. */
interface News {
  readonly events: Happening['events'];
  /** Whose buyer may return, and whether credits are owed for it. */
  readonly session: { readonly id: string; readonly owed: boolean } | null;
}

/** One customer's life at the fake Stripe, beside a model of what it should come to. */
export interface Life {
  readonly userId: string;
  /** Does a step that is not about spending. */
  readonly live: (step: Exclude<Step, StepOf<'spend'>>) => News;
  readonly payments: readonly PaymentModel[];
}

export interface LifeOptions {
  readonly fake: FakeStripe;
  readonly userId: string;
  /** Stripe's clock, which every life sets to its own time; in seconds since 1970. */
  readonly clock: { time: number };
  readonly begins: number;
  /** Nobody lives beyond it. */
  readonly ends: number;
  /** Whether what a period of the plan gave expires with it, and a pack after its days. */
  readonly planExpires: boolean;
  readonly packExpires: boolean;
}

/** In seconds. */
const DAY = 86_400;
const NO_NEWS: News = { events: [], session: null };
const newsOf = ({ events }: Pick<Happening, 'events'>): News => ({ events, session: null });

export function createLife(options: LifeOptions): Life {
  const { fake, userId, clock, begins, ends, planExpires, packExpires } = options;
  const payments: PaymentModel[] = [];
  const subscriptions: { readonly id: string; quantity: number }[] = [];
  const refunds: { readonly id: string; readonly amount: number; readonly of: PaymentModel }[] = [];
  const disputes: { readonly id: string; readonly of: PaymentModel }[] = [];
  const customer = `cus_${userId}`;
  let time = begins;

  function pick<T>(from: readonly T[], which: number): T {
    const one = from[which % Math.max(from.length, 1)];
    if (one === undefined) throw new Refusal('there is none');
    return one;
  }

  function pickPaid(which: number): PaymentModel & { readonly intent: string } {
    const { intent, ...payment } = pick(payments, which);
    if (intent === null) throw new Refusal('nothing was paid');
    return { ...payment, intent };
  }

  function buy({ quantity, how, invoiced, days, percent }: StepOf<'buy'>): News {
    const [credits, cents] = [PACK.credits * quantity, PACK.cents * quantity];
    const { id } = fake.createSession({
      ...{ userId, customer, lines: [{ price: PACK.price, unitAmount: PACK.cents, quantity }] },
      ...(how === 'captured' ? { capture: 'manual' } : { invoiceCreation: invoiced }),
    });
    const isSlow = how === 'slow' || how === 'declined';
    const { object, events } = fake.paySession(id, { method: isSlow ? 'slow' : 'card' });
    if (how !== 'card') wait(Math.min(days * DAY, ends - time));
    const intent = textOf(object['payment_intent']) ?? '';
    const paid = how === 'captured' ? shareOf(cents, percent) : cents;
    const later = isSlow
      ? fake.endSlowPayment(id, how === 'slow' ? 'succeeded' : 'failed')
      : how === 'captured'
        ? fake.capturePayment(intent, paid)
        : NO_NEWS;
    const told = [...events, ...later.events];
    if (how === 'declined') return { events: told, session: { id, owed: false } };
    const { invoice } = fake.store.need('checkout.session', id);
    const granted = Math.floor((credits * paid) / cents);
    const expiresAt = packExpires ? (Math.floor(time / DAY) + PACK.days + 1) * DAY * 1000 : null;
    payments.push({
      ...{ names: namesOf(id, invoice, intent), invoice, intent, back: new Map() },
      ...{ granted, expiresAt, paid, charged: paid },
    });
    return { events: told, session: { id, owed: granted > 0 } };
  }

  /** What a subscription's invoice is worth: its whole period, or nothing beside prorations. */
  function billed({ events }: Happening, granted: number): News {
    const invoice = events.find(({ type }) => type === 'invoice.paid')?.data.object;
    const payment = events.find(({ type }) => type === 'invoice_payment.paid')?.data.object;
    const intent = textOf((payment?.['payment'] as { payment_intent?: unknown })?.payment_intent);
    if (invoice) {
      const { id, total, amount_paid: charged } = invoice;
      payments.push({
        ...{ names: namesOf(id, intent), invoice: id, intent, back: new Map() },
        ...{ granted, expiresAt: planExpires ? endOfPeriod(id) : null },
        ...{ paid: Math.max(0, Number(total)), charged: Number(charged) },
      });
    }
    return newsOf({ events });
  }

  function endOfPeriod(invoice: string): number | null {
    const { lines } = fake.store.need('invoice', invoice);
    const period = lines.find(({ proration }) => !proration);
    return period ? period.periodEnd * 1000 : null;
  }

  function subscribe({ quantity, trial, checkout }: StepOf<'subscribe'>): News {
    const { price, credits } = PLAN;
    const about = { userId, customer, trialDays: trial ? 7 : 0 };
    const granted = trial ? 0 : credits * quantity;
    if (!checkout) {
      const happening = fake.subscribe({ ...about, price, quantity });
      subscriptions.push({ id: happening.object.id, quantity });
      return billed(happening, granted);
    }
    const lines = [{ price, quantity }];
    const { id } = fake.createSession({ ...about, mode: 'subscription', lines });
    const happening = fake.paySession(id);
    subscriptions.push({ id: String(happening.object['subscription']), quantity });
    return { ...billed(happening, granted), session: { id, owed: !trial } };
  }

  function change({ which, ...step }: StepOf<'change'>): News {
    const subscription = pick(subscriptions, which);
    const { quantity, proration, resetPeriod } = step;
    const happening = fake.changeSubscription(subscription.id, {
      ...{ quantity, proration, resetPeriod },
    });
    subscription.quantity = quantity;
    return billed(happening, resetPeriod ? PLAN.credits * quantity : 0);
  }

  function refund({ which, percent, pending }: StepOf<'refund'>): News {
    const of = pickPaid(which);
    const amount = shareOf(of.charged, percent);
    const status = pending ? 'pending' : 'succeeded';
    const { object, events } = fake.refundPayment(of.intent, { amount, status });
    refunds.push({ id: object.id, amount, of });
    of.back.set(object.id, amount);
    return newsOf({ events });
  }

  function endRefund({ which, how }: StepOf<'end refund'>): News {
    const { id, amount, of } = pick(refunds, which);
    const { events } = fake.settleRefund(id, how);
    of.back.set(id, how === 'succeeded' ? amount : 0);
    return newsOf({ events });
  }

  function dispute({ which, percent, inquiry, atOnce: end }: StepOf<'dispute'>): News {
    const of = pickPaid(which);
    const amount = shareOf(of.charged, percent);
    const { object, events } = fake.openDispute(of.intent, { amount, inquiry });
    disputes.push({ id: object.id, of });
    of.back.set(object.id, inquiry ? 0 : amount);
    if (end === null) return newsOf({ events });
    const ended = moveDispute({ which: disputes.length - 1, how: end });
    return newsOf({ events: [...events, ...ended.events] });
  }

  function moveDispute({ which, how }: Pick<StepOf<'move dispute'>, 'which' | 'how'>): News {
    const { id, of } = pick(disputes, which);
    const { object, events } =
      how === 'escalate' ? fake.escalateDispute(id) : fake.closeDispute(id, how);
    const isInquiry = String(object['status']).startsWith('warning_');
    of.back.set(id, how === 'won' || isInquiry ? 0 : Number(object['amount']));
    return newsOf({ events });
  }

  function credit({ which, percent, ...step }: StepOf<'credit'>): News {
    const of = pick(payments, which);
    if (of.invoice === null) throw new Refusal('it has no invoice');
    const amount = shareOf(of.paid, percent);
    const outOfBand = Math.floor((amount * step.outOfBand) / 100);
    const { object, events } = fake.issueCreditNote(of.invoice, { amount, outOfBand });
    of.back.set(object.id, outOfBand);
    const { refund } = fake.store.need('credit_note', object.id);
    if (refund) of.back.set(refund.id, refund.amount);
    return newsOf({ events });
  }

  function wait(seconds: number): News {
    if (time + seconds > ends) throw new Refusal('nobody knows what will be');
    time += seconds;
    clock.time = time;
    return NO_NEWS;
  }

  function act(step: Parameters<Life['live']>[0]): News {
    wait(step.pause);
    switch (step.do) {
      case 'buy':
        return buy(step);
      case 'subscribe':
        return subscribe(step);
      case 'renew': {
        const { id, quantity } = pick(subscriptions, step.which);
        return billed(fake.renewSubscription(id), PLAN.credits * quantity);
      }
      case 'cancel':
        return newsOf(fake.cancelSubscription(pick(subscriptions, step.which).id));
      case 'change':
        return change(step);
      case 'refund':
        return refund(step);
      case 'end refund':
        return endRefund(step);
      case 'dispute':
        return dispute(step);
      case 'move dispute':
        return moveDispute(step);
      case 'credit':
        return credit(step);
      case 'wait':
        return wait(step.days * DAY);
    }
  }

  return {
    userId,
    payments,
    live(step) {
      try {
        return act(step);
      } catch (error) {
        // What Stripe refuses, such as a refund of more than is left, has not happened.
        if (error instanceof Refusal) return NO_NEWS;
        throw error;
      }
    },
  };
}

const shareOf = (cents: number, percent: number) =>
  Math.max(1, Math.floor((cents * percent) / 100));

const namesOf = (...names: readonly (string | null)[]) => names.filter((name) => name !== null);

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
