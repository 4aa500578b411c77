import type { FakeStripe } from '../../../packages/fake-stripe/src/fake-stripe.ts';
import type { Happening } from '../../../packages/fake-stripe/src/life/life.ts';
import { Refusal } from '../../../packages/fake-stripe/src/refusal.ts';

/** What the customer, the customer's bank or the shop does next; `which` picks among what there is. */
export type Step =
  | { readonly do: 'buy'; readonly quantity: number; readonly how: 'card' | 'slow' | 'declined' }
  | { readonly do: 'subscribe'; readonly quantity: number; readonly trial: boolean }
  | { readonly do: 'renew' | 'cancel'; readonly which: number }
  | {
      readonly do: 'change';
      readonly which: number;
      readonly quantity: number;
      readonly proration: 'create_prorations' | 'always_invoice';
      readonly resetPeriod: boolean;
    }
  | {
      readonly do: 'refund';
      readonly which: number;
      readonly percent: number;
      readonly pending: boolean;
    }
  | {
      readonly do: 'end refund';
      readonly which: number;
      readonly how: 'succeeded' | 'failed' | 'canceled';
    }
  | {
      readonly do: 'dispute';
      readonly which: number;
      readonly inquiry: boolean;
      /** How it ends within the same second; null when it goes on. */
      readonly atOnce: 'won' | 'lost' | null;
    }
  | {
      readonly do: 'move dispute';
      readonly which: number;
      readonly how: 'escalate' | 'won' | 'lost';
    }
  | { readonly do: 'credit'; readonly which: number; readonly percent: number }
  | { readonly do: 'spend'; readonly amount: number }
  | { readonly do: 'wait'; readonly days: number };

/** Credits and cents of one pack, and of one period of the plan. */
export const PACK = { price: 'price_pack', credits: 100, cents: 250 } as const;
export const PLAN = { price: 'price_plan', credits: 1000, cents: 900 } as const;

/** A payment as plain arithmetic sees it. */
interface PaymentModel {
  readonly granted: number;
  readonly paid: number;
  readonly intent: string | null;
  readonly invoice: string | null;
  /** Cents that are back, by what took them. */
  readonly back: Map<string, number>;
}

/** One customer's life at the fake Stripe, beside a model of what it should come to. */
export interface Life {
  readonly userId: string;
  /** Does a step that is not about spending. @returns what Stripe tells of it */
  readonly live: (step: Step) => Happening['events'];
  readonly payments: readonly PaymentModel[];
}

export function createLife(fake: FakeStripe, userId: string): Life {
  const payments: PaymentModel[] = [];
  const subscriptions: { readonly id: string; quantity: number }[] = [];
  const refunds: { readonly id: string; readonly amount: number; readonly of: PaymentModel }[] = [];
  const disputes: { readonly id: string; readonly of: PaymentModel }[] = [];
  const customer = `cus_${userId}`;

  function pick<T>(from: readonly T[], which: number): T {
    const one = from[which % Math.max(from.length, 1)];
    if (one === undefined) throw new Refusal('there is none');
    return one;
  }

  function buy({ quantity, how }: Extract<Step, { do: 'buy' }>): Happening['events'] {
    const lines = [{ price: PACK.price, unitAmount: PACK.cents, quantity }];
    const session = fake.createSession({ userId, customer, lines });
    const paid = fake.paySession(session.id, { method: how === 'declined' ? 'slow' : how });
    const ended =
      how === 'card'
        ? null
        : fake.endSlowPayment(session.id, how === 'slow' ? 'succeeded' : 'failed');
    if (how !== 'declined') {
      payments.push({
        ...{ granted: PACK.credits * quantity, paid: PACK.cents * quantity, back: new Map() },
        ...{ intent: textOf((ended ?? paid).object['payment_intent']), invoice: null },
      });
    }
    return [...paid.events, ...(ended?.events ?? [])];
  }

  /** What a subscription's invoice is worth: its whole period, or nothing beside prorations. */
  function billed({ events }: Happening, granted: number): Happening['events'] {
    const invoice = events.find(({ type }) => type === 'invoice.paid')?.data.object;
    const payment = events.find(({ type }) => type === 'invoice_payment.paid')?.data.object;
    if (invoice) {
      payments.push({
        ...{ granted, paid: Math.max(0, Number(invoice['total'])), back: new Map() },
        intent: textOf((payment?.['payment'] as { payment_intent?: unknown })?.payment_intent),
        invoice: invoice.id,
      });
    }
    return events;
  }

  function subscribe({ quantity, trial }: Extract<Step, { do: 'subscribe' }>) {
    const { price, credits } = PLAN;
    const options = { price, quantity, userId, customer, trialDays: trial ? 7 : 0 };
    const happening = fake.subscribe(options);
    subscriptions.push({ id: happening.object.id, quantity });
    return billed(happening, trial ? 0 : credits * quantity);
  }

  function change(step: Extract<Step, { do: 'change' }>) {
    const subscription = pick(subscriptions, step.which);
    const { quantity, proration, resetPeriod } = step;
    const happening = fake.changeSubscription(subscription.id, {
      ...{ quantity, proration, resetPeriod },
    });
    subscription.quantity = quantity;
    return billed(happening, resetPeriod ? PLAN.credits * quantity : 0);
  }

  function refund({ which, percent, pending }: Extract<Step, { do: 'refund' }>) {
    const of = pick(payments, which);
    if (of.intent === null) throw new Refusal('nothing was paid');
    const amount = Math.max(1, Math.floor((of.paid * percent) / 100));
    const status = pending ? 'pending' : 'succeeded';
    const { object, events } = fake.refundPayment(of.intent, { amount, status });
    refunds.push({ id: object.id, amount, of });
    of.back.set(object.id, amount);
    return events;
  }

  function endRefund({ which, how }: Extract<Step, { do: 'end refund' }>) {
    const { id, amount, of } = pick(refunds, which);
    const { events } = fake.settleRefund(id, how);
    of.back.set(id, how === 'succeeded' ? amount : 0);
    return events;
  }

  function dispute({ which, inquiry, atOnce: end }: Extract<Step, { do: 'dispute' }>) {
    const of = pick(payments, which);
    if (of.intent === null) throw new Refusal('nothing was paid');
    const { object, events } = fake.openDispute(of.intent, { inquiry });
    disputes.push({ id: object.id, of });
    of.back.set(object.id, inquiry ? 0 : Number(object['amount']));
    if (end === null) return events;
    return [...events, ...moveDispute({ which: disputes.length - 1, how: end })];
  }

  function moveDispute({ which, how }: Omit<Extract<Step, { do: 'move dispute' }>, 'do'>) {
    const { id, of } = pick(disputes, which);
    const { object, events } =
      how === 'escalate' ? fake.escalateDispute(id) : fake.closeDispute(id, how);
    const isInquiry = String(object['status']).startsWith('warning_');
    of.back.set(id, how === 'won' || isInquiry ? 0 : Number(object['amount']));
    return events;
  }

  function credit({ which, percent }: Extract<Step, { do: 'credit' }>) {
    const of = pick(payments, which);
    if (of.invoice === null) throw new Refusal('it has no invoice');
    const amount = Math.max(1, Math.floor((of.paid * percent) / 100));
    const plan = { amount, outOfBand: amount };
    const { object, events } = fake.issueCreditNote(of.invoice, plan);
    of.back.set(object.id, amount);
    return events;
  }

  function act(step: Step): Happening['events'] {
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
        return fake.cancelSubscription(pick(subscriptions, step.which).id).events;
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
        fake.advance(step.days * 86_400);
        return [];
      case 'spend':
        throw new Error('spending is not Stripe’s business');
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
        if (error instanceof Refusal) return [];
        throw error;
      }
    },
  };
}

/** Credits that a payment must miss: the share of its money that is back, rounded down. */
export function missingOf({ granted, paid, back }: PaymentModel): number {
  if (paid === 0) return 0;
  const gone = [...back.values()].reduce((sum, amount) => sum + amount, 0);
  return Math.floor((granted * Math.min(gone, paid)) / paid);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
