import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MAX_BALANCE } from '../../../src/ledger/core/command.ts';
import { verifyLedger } from '../../../src/ledger/read/verify.ts';
import { debit, fillAccount } from '../../support/commands.ts';
import { attemptAgain } from '../../support/inbox.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';
import { payTogether, payTwo } from './shared-intent.ts';

// A refund of a payment intent that paid several invoices is of those that its credit notes are
// about, as far as they tell; the rest is spread over what is left of them all.

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage();
});
afterAll(async () => {
  expect(await verifyLedger(stage.db.pool)).toMatchObject({ faults: [] });
  await stage.close();
});

const tales = fc.record({
  prices: fc.constantFrom(
    ['price_plan', 'price_plan'] as const,
    ['price_seat', 'price_plan'] as const,
    ['price_plan', 'price_seat'] as const,
  ),
  order: fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }),
  refunded: fc.constantFrom('refund.created', 'charge.refunded'),
  isNamed: fc.boolean(),
  about: fc.constantFrom('first' as const, 'second' as const),
});

let told = 0;

test('whatever either invoice gives, and however all of it is told', async () => {
  await fc.assert(
    fc.asyncProperty(tales, async ({ prices, order, about, refunded, isNamed }) => {
      told += 1;
      const userId = `una-${told}`;
      const two = payTwo(stage, userId, prices);
      const { first, second } = two;
      const note = stage.fake.issueCreditNote(String(two[about].paid.data.object.id), {
        amount: 500,
      });
      const find = (type: string) => note.events.find((one) => one.type === type);
      const events = [
        ...[first.paid, second.paid, find(refunded), find('credit_note.created')],
        ...(isNamed ? [first.named, second.named] : []),
      ];
      for (const event of order.flatMap((i) => events[i] ?? [])) await stage.deliver({ ...event });
      await attemptAgain(stage);
      const left = new Map<string, number>();
      for (const [name, i] of [
        ['first', 0],
        ['second', 1],
      ] as const) {
        if (prices[i] === 'price_plan') left.set(name, name === about ? 500 : 1000);
      }
      expect((await stage.leftOfGrants(userId)).toSorted()).toEqual([...left.values()].toSorted());
    }),
    { numRuns: 30 },
  );
});

/** Two renewals, and what tells that a refund which both have lost is of the second. */
async function refundBoth(userId: string) {
  const { first, second } = payTwo(stage, userId);
  for (const { named, paid } of [first, second]) {
    for (const event of [named, paid]) await stage.deliver(event);
  }
  const { events } = stage.fake.issueCreditNote(String(second.paid.data.object.id), {
    amount: 500,
  });
  const [refunded, noted] = ['refund.created', 'credit_note.created'].map((name) =>
    events.find(({ type }) => type === name),
  );
  if (!refunded || !noted) throw new Error('it is not told');
  await stage.deliver({ ...refunded });
  expect(await stage.leftOfGrants(userId)).toEqual([750, 750]);
  return { noted };
}

test('what moved is settled on both sides, though the first attempt ends between them', async () => {
  const { noted } = await refundBoth('uta');
  await stage.db.sql(
    "ALTER TABLE credit_ledger ADD CONSTRAINT trap CHECK (kind <> 'reinstatement') NOT VALID",
  );
  expect(await stage.deliver({ ...noted })).toBe('parked');
  await stage.db.sql('ALTER TABLE credit_ledger DROP CONSTRAINT trap');
  await attemptAgain(stage);
  expect(await stage.leftOfGrants('uta')).toEqual([1000, 500]);
});

test('a refund is spread over all that Stripe tells it paid, though the first attempt ends between them', async () => {
  const { first, second, paymentIntent } = payTwo(stage, 'ute');
  for (const { paid } of [first, second]) await stage.deliver(paid);
  const { events } = stage.fake.refundPayment(paymentIntent, { amount: 1000 });
  const refunded = events.find(({ type }) => type === 'refund.created');
  if (!refunded) throw new Error('it is not told');
  await stage.db.sql('ALTER TABLE stripe_shared_names ADD CONSTRAINT trap CHECK (false) NOT VALID');
  expect(await stage.deliver({ ...refunded })).toBe('parked');
  await stage.db.sql('ALTER TABLE stripe_shared_names DROP CONSTRAINT trap');
  await attemptAgain(stage);
  expect(await stage.leftOfGrants('ute')).toEqual([500, 500]);
});

test('what moved waits while the ledger refuses to give back what the first has lost', async () => {
  const { noted } = await refundBoth('ulf');
  await fillAccount(stage.ledger, 'ulf');
  expect(await stage.deliver({ ...noted })).toBe('parked');
  expect((await stage.stored(noted))?.reason).toBe('the ledger refuses: balance_limit');
  await stage.ledger.post(debit('ulf', 500));
  await attemptAgain(stage);
  expect(await stage.stored(noted)).not.toMatchObject({ state: 'parked' });
  expect(await stage.balanceOf('ulf')).toBe(MAX_BALANCE - 500);
});

/** Renewals that one payment intent paid, and what goes back of it. */
const bundles = fc.record({
  costs: fc.array(
    fc.record({
      price: fc.constantFrom('price_plan', 'price_seat'),
      unitAmount: fc.integer({ min: 1, max: 3000 }),
    }),
    { minLength: 2, maxLength: 4 },
  ),
  /** By credit notes that refunds pay: how much of the first, the second, and so on, in percent. */
  noted: fc.array(fc.constantFrom(0, 1, 40, 100), { maxLength: 3 }),
  /** Whether one refund pays all notes, and what goes back of all together besides. */
  isOne: fc.boolean(),
  /** Of what is left: by a refund, or by a dispute in another currency. */
  together: fc.constantFrom(0, 1, 33, 50, 99, 100),
  isForeign: fc.boolean(),
  isNamed: fc.boolean(),
  order: fc.infiniteStream(fc.nat()),
});

const sum = (amounts: readonly number[]) => amounts.reduce((all, amount) => all + amount, 0);

/** The cents that each loses: in the order of their ids, what it comes to is rounded down. */
function lossesOf(costs: readonly number[], own: readonly number[], together: number) {
  const rests = costs.map((cost, i) => cost - (own[i] ?? 0));
  const upTo = (i: number) =>
    Math.floor((sum(rests.slice(0, i)) * together) / Math.max(1, sum(rests)));
  return costs.map((_, i) => (own[i] ?? 0) + upTo(i + 1) - upTo(i));
}

const refund = (paymentIntent: string, amount: number) =>
  stage.fake.refundPayment(paymentIntent, { amount });

test('each loses its part, and none keeps anything of what went back as a whole', async () => {
  await fc.assert(
    fc.asyncProperty(bundles, async ({ costs, noted, together, isForeign, isNamed, ...how }) => {
      told += 1;
      const { fake, db } = stage;
      const [cost, ...more] = costs;
      if (!cost) throw new Error('there is no invoice');
      const bundle = payTogether(stage, `ulla-${told}`, [cost, ...more]);
      const invoices = bundle.invoices
        .map(({ paid }, i) => ({ id: String(paid.data.object.id), ...(costs[i] ?? cost) }))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1));
      const own = invoices.map(({ unitAmount }, i) =>
        Math.ceil((unitAmount * (noted[i] ?? 0)) / 100),
      );
      const left = sum(invoices.map(({ unitAmount }) => unitAmount)) - sum(own);
      const amount = Math.floor((left * together) / 100);
      const back = [];
      const isAbroad = isForeign && amount > 0;
      const inOne = sum(own) + (isAbroad ? 0 : amount);
      const one = how.isOne && sum(own) > 0 ? refund(bundle.paymentIntent, inOne) : null;
      back.push(...(one?.events ?? []));
      for (const [i, { id }] of invoices.entries()) {
        if (!own[i]) continue;
        const of = one === null ? {} : { refund: one.object.id };
        back.push(...fake.issueCreditNote(id, { amount: own[i], ...of }).events);
      }
      if (isAbroad) {
        const { events } = fake.openDispute(bundle.paymentIntent, { amount: 1 });
        const abroad = ({ object }: (typeof events)[number]['data']) =>
          ({ object: { ...object, currency: 'jpy' } }) as const;
        back.push(...events.map((event) => ({ ...event, data: abroad(event.data) })));
      } else if (amount > 0 && one === null) {
        back.push(...refund(bundle.paymentIntent, amount).events);
      }
      const events = bundle.invoices.flatMap(({ paid, named }) =>
        isNamed ? [paid, named] : [paid],
      );
      const shuffled = [...events, ...back]
        .map((event) => ({ event, place: how.order.next().value }))
        .toSorted((a, b) => a.place - b.place);
      for (const { event } of shuffled) await stage.deliver({ ...event });
      await attemptAgain(stage);
      const lost = lossesOf(
        invoices.map(({ unitAmount }) => unitAmount),
        own,
        isAbroad ? left : amount,
      );
      const expected = invoices.map(({ price, unitAmount }, i) => {
        const granted = price === 'price_plan' ? 1000 : 0;
        return granted - Math.floor((granted * (lost[i] ?? 0)) / unitAmount);
      });
      const kept = await Promise.all(
        invoices.map(async ({ id }) => {
          const [row] = await db.sql<{ kept: number }>(
            'SELECT coalesce(sum(delta), 0)::int AS kept FROM credit_ledger WHERE payment = $1',
            [id],
          );
          return row?.kept;
        }),
      );
      expect(kept).toEqual(expected);
    }),
    { numRuns: 30 },
  );
});
