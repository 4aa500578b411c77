import type { FakeStripe } from '../../../packages/fake-stripe/src/fake-stripe.ts';
import { Refusal } from '../../../packages/fake-stripe/src/refusal.ts';
import { createBuying } from './buying.ts';
import { type Customer, type News, newsOf, type Time } from './customer.ts';
import { createMoneyBack } from './money-back.ts';
import type { Expiry } from './offers.ts';
import type { PaymentModel } from './payment.ts';
import type { Step, StepOf } from './step.ts';

/** One customer's life at the fake Stripe, beside a model of what it should come to. */
export interface Life {
  readonly userId: string;
  /** Does a step that is not about spending. */
  readonly live: (step: Exclude<Step, StepOf<'spend'>>) => News;
  readonly payments: readonly PaymentModel[];
}

export interface LifeOptions extends Expiry {
  readonly fake: FakeStripe;
  readonly userId: string;
  /** Stripe's clock, which every life sets to its own time; in seconds since 1970. */
  readonly clock: { time: number };
  readonly begins: number;
  /** Nobody lives beyond it. */
  readonly ends: number;
}

const NO_NEWS = newsOf({ events: [] });

export function createLife(options: LifeOptions): Life {
  const { fake, userId, clock, begins, ends, ...expiry } = options;
  const payments: PaymentModel[] = [];
  const time = createTime(clock, begins, ends);
  const who: Customer = { fake, userId, customer: `cus_${userId}`, payments, time, ...expiry };
  const buying = createBuying(who);
  const moneyBack = createMoneyBack(who);

  function act(step: Parameters<Life['live']>[0]): News {
    time.wait(step.pause);
    switch (step.do) {
      case 'buy':
        return buying.buy(step);
      case 'invoice':
        return buying.invoice(step);
      case 'subscribe':
        return buying.subscribe(step);
      case 'renew':
        return buying.renew(step);
      case 'cancel':
        return buying.cancel(step);
      case 'change':
        return buying.change(step);
      case 'refund':
        return moneyBack.refund(step);
      case 'end refund':
        return moneyBack.endRefund(step);
      case 'dispute':
        return moneyBack.dispute(step);
      case 'move dispute':
        return moneyBack.moveDispute(step);
      case 'credit':
        return moneyBack.credit(step);
      case 'wait':
        time.wait(step.days * 86_400);
        return NO_NEWS;
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

function createTime(clock: { time: number }, begins: number, ends: number): Time {
  let time = begins;
  return {
    now: () => time,
    left: () => ends - time,
    wait(seconds) {
      if (time + seconds > ends) throw new Refusal('nobody knows what will be');
      time += seconds;
      clock.time = time;
    },
  };
}
