import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_BALANCE } from '../../../src/ledger/core/command.ts';
import { verifyLedger } from '../../../src/ledger/read/verify.ts';
import { ignoreEvent } from '../../../src/stripe/inbox/inbox-desk.ts';
import { debit, fillAccount } from '../../support/commands.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';
import { payTwo } from './two-invoices.ts';

// A refund of a payment intent that paid two invoices is of the one that its credit note is about.

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage();
});
afterAll(async () => {
  expect(await verifyLedger(stage.db.pool)).toMatchObject({ faults: [] });
  await stage.close();
});

/** Attempts all again that is not settled, as time would. */
async function attemptAgain() {
  const { inbox, attempt } = stage.receiver.processing;
  await stage.db.sql(
    'UPDATE stripe_events SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL',
  );
  for (const claim of await inbox.claim(100)) await attempt(claim);
}

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
      await attemptAgain();
      const left = new Map<string, number>();
      for (const [name, i] of [
        ['first', 0],
        ['second', 1],
      ] as const) {
        if (prices[i] === 'price_plan') left.set(name, name === about ? 500 : 1000);
      }
      await ignoreEvent(stage.db.pool, { id: second.named.id, note: 'seen' });
      await ignoreEvent(stage.db.pool, { id: first.named.id, note: 'seen' });
      expect((await stage.leftOfGrants(userId)).toSorted()).toEqual([...left.values()].toSorted());
    }),
    { numRuns: 60 },
  );
});

/** Two renewals, and what tells that a refund which the first has lost is of the second. */
async function refundWrongly(userId: string) {
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
  expect(await stage.leftOfGrants(userId)).toEqual([500, 1000]);
  return { noted };
}

test('what moved is settled on both sides, though the first attempt ends between them', async () => {
  const { noted } = await refundWrongly('uta');
  await stage.db.sql(
    "ALTER TABLE credit_ledger ADD CONSTRAINT trap CHECK (kind <> 'reinstatement') NOT VALID",
  );
  expect(await stage.deliver({ ...noted })).toBe('parked');
  await stage.db.sql('ALTER TABLE credit_ledger DROP CONSTRAINT trap');
  await attemptAgain();
  expect(await stage.leftOfGrants('uta')).toEqual([1000, 500]);
});

test('what moved waits while the ledger refuses to give back what the other has lost', async () => {
  const { noted } = await refundWrongly('ulf');
  await fillAccount(stage.ledger, 'ulf');
  expect(await stage.deliver({ ...noted })).toBe('parked');
  expect((await stage.stored(noted))?.reason).toBe('the ledger refuses: balance_limit');
  await stage.ledger.post(debit('ulf', 500));
  await attemptAgain();
  expect(await stage.stored(noted)).not.toMatchObject({ state: 'parked' });
  expect(await stage.balanceOf('ulf')).toBe(MAX_BALANCE - 500);
});

describe('without a note that all of it pays, the refund is', () => {
  const notes = {
    'of a note for a part of it'(invoice: string, paymentIntent: string) {
      const { object, events } = stage.fake.refundPayment(paymentIntent, { amount: 1000 });
      const note = stage.fake.issueCreditNote(invoice, { amount: 500, refund: object.id });
      return [...note.events, ...events];
    },
    'of a note that is void'(invoice: string) {
      const { object, events } = stage.fake.issueCreditNote(invoice, { amount: 1000 });
      const ofNote = ({ type }: { readonly type: string }) => type.startsWith('credit_note');
      const { events: ended } = stage.fake.voidCreditNote(object.id);
      return [...events.filter(ofNote), ...ended, ...events.filter((one) => !ofNote(one))];
    },
  };
  let made = 0;

  test.each(Object.entries(notes))('the first’s: %s', async (_, give) => {
    made += 1;
    const { first, second, paymentIntent } = payTwo(stage, `uri-${made}`);
    for (const { named, paid } of [first, second]) {
      for (const event of [named, paid]) await stage.deliver(event);
    }
    const told = give(String(second.paid.data.object.id), paymentIntent);
    for (const event of told) await stage.deliver({ ...event });
    expect(await stage.leftOfGrants(`uri-${made}`)).toEqual([0, 1000]);
  });

  test.each(Object.entries(notes))('nobody’s while no sharing is known: %s', async (_, give) => {
    made += 1;
    const { first, second, paymentIntent } = payTwo(stage, `uri-${made}`);
    for (const { paid } of [first, second]) await stage.deliver(paid);
    const told = give(String(second.paid.data.object.id), paymentIntent);
    for (const event of told) await stage.deliver({ ...event });
    expect(await stage.leftOfGrants(`uri-${made}`)).toEqual([1000, 1000]);
    const refund = told.find(({ type }) => type === 'refund.created');
    expect(refund && (await stage.stored(refund))?.state).toBe('parked');
  });
});

test('a refund that its note gives to the second is done, though the first gave no credits', async () => {
  const { first, second } = payTwo(stage, 'uwe', ['price_seat', 'price_plan']);
  for (const { named, paid } of [first, second]) {
    for (const event of [named, paid]) await stage.deliver(event);
  }
  const { events } = stage.fake.issueCreditNote(String(second.paid.data.object.id), {
    amount: 500,
  });
  const refund = events.find(({ type }) => type === 'refund.created');
  const note = events.find(({ type }) => type === 'credit_note.created');
  if (!refund || !note) throw new Error('it is not told');
  await stage.deliver({ ...note });
  expect(await stage.deliver({ ...refund })).toBe('done');
  expect(await stage.leftOfGrants('uwe')).toEqual([500]);
});
