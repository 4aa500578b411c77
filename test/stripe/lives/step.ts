import fc from 'fast-check';
import { PACK_NAMES, PLAN_NAMES } from './offers.ts';

const which = fc.nat(7);
const quantity = fc.integer({ min: 1, max: 4 });
const percent = fc.oneof(fc.constant(100), fc.integer({ min: 1, max: 100 }));
/** How much of what is due a credit note takes off before it is paid, when there is one. */
const credited = fc.option(percent, { freq: 2 });
/** Whether a discount takes all of it; most often none does. */
const free = fc.nat(3).map((one) => one === 0);
const pack = fc.record({ offer: fc.constantFrom(...PACK_NAMES), quantity, free });
const plan = fc.record({ offer: fc.constantFrom(...PLAN_NAMES), quantity, free });
const packs = fc.array(pack, { minLength: 1, maxLength: 3 });

/** What the customer, the customer's bank or the shop does next; `which` picks among what there is. */
export type Step = typeof step extends fc.Arbitrary<infer Any> ? Any : never;
/** The steps of one kind. */
export type StepOf<Do extends Step['do']> = Extract<Step, { readonly do: Do }>;

export const step = fc.oneof(
  kind(4, 'buy', {
    items: packs,
    how: fc.constantFrom('card', 'card', 'slow', 'declined', 'captured'),
    /** How long it takes until the money comes or does not, unless it is paid by card. */
    days: fc.nat(7),
    /** How much is captured of what was authorized. */
    percent,
    /** Of which API version the capture is: of the rest, older ones make a refund. */
    shape: fc.constantFrom('current', 'acacia'),
    /** Whether Stripe makes an invoice of it, as with invoice_creation. */
    invoiced: fc.boolean(),
  }),
  /** An invoice that somebody writes by hand. */
  kind(2, 'invoice', { items: packs, how: fc.constantFrom('card', 'out_of_band'), credited }),
  kind(2, 'subscribe', {
    items: fc.uniqueArray(plan, { minLength: 1, maxLength: 2, selector: ({ offer }) => offer }),
    trial: fc.boolean(),
    /** At the checkout, or by somebody of the shop, who takes one plan at its price. */
    checkout: fc.boolean(),
  }),
  kind(3, 'renew', { which, credited }),
  kind(1, 'cancel', { which }),
  /** The first plan of a subscription becomes another one, or another quantity of it. */
  kind(2, 'change', {
    ...{ which, offer: fc.constantFrom(...PLAN_NAMES), quantity, resetPeriod: fc.boolean() },
    proration: fc.constantFrom('create_prorations', 'always_invoice', 'none'),
  }),
  kind(4, 'refund', { which, percent, pending: fc.boolean() }),
  kind(3, 'end refund', { which, how: fc.constantFrom('succeeded', 'failed', 'canceled') }),
  kind(3, 'dispute', {
    ...{ which, percent, inquiry: fc.boolean() },
    /** How it ends within the same second; null when it goes on. */
    atOnce: fc.constantFrom('won', 'lost', null),
  }),
  kind(4, 'move dispute', { which, how: fc.constantFrom('escalate', 'won', 'lost') }),
  kind(4, 'credit', {
    ...{ which, percent, outOfBand: fc.integer({ min: 0, max: 100 }) },
    /** How much of which line; without any it is about the invoice as a whole. */
    percents: fc.array(fc.oneof(fc.constant(0), percent), { maxLength: 3 }),
  }),
  kind(4, 'spend', { amount: fc.integer({ min: 1, max: 900 }) }),
  kind(2, 'wait', { days: fc.integer({ min: 1, max: 20 }) }),
);

function kind<const Do extends string, Fields extends object>(
  weight: number,
  what: Do,
  fields: { readonly [Field in keyof Fields]: fc.Arbitrary<Fields[Field]> },
) {
  /** Seconds since the step before: what happens within one is told in no order. */
  const pause = fc.nat(2);
  const arbitrary = fc
    .record<Fields & { readonly pause: number }>({ ...fields, pause } as never)
    .map((one) => ({ ...one, do: what }));
  return { weight, arbitrary };
}
