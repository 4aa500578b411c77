import type { FakeStripe } from '../../../packages/fake-stripe/src/fake-stripe.ts';
import type { Happening } from '../../../packages/fake-stripe/src/life/life.ts';
import { Refusal } from '../../../packages/fake-stripe/src/refusal.ts';
import type { Expiry } from './offers.ts';
import type { PaymentModel } from './payment.ts';

/** A customer at the fake Stripe, and a model of what that should come to. */
export interface Customer extends Expiry {
  readonly fake: FakeStripe;
  readonly userId: string;
  /** `cus_…` */
  readonly customer: string;
  readonly payments: PaymentModel[];
  readonly time: Time;
}

/** The time of one life, in seconds since 1970. */
export interface Time {
  readonly now: () => number;
  /** Lets seconds pass. @throws Refusal when nobody lives so long */
  readonly wait: (seconds: number) => void;
  /** How many are left. */
  readonly left: () => number;
}

/** What somebody may tell Purser: Stripe by its events, or a buyer who returns from the checkout. */
export interface News {
  readonly events: Happening['events'];
  /** Whose buyer may return, and whether credits are owed for it. */
  readonly session: { readonly id: string; readonly owed: boolean } | null;
}

export const newsOf = ({ events }: Pick<Happening, 'events'>): News => ({ events, session: null });

export function pick<T>(from: readonly T[], which: number): T {
  const one = from[which % Math.max(from.length, 1)];
  if (one === undefined) throw new Refusal('there is none');
  return one;
}
