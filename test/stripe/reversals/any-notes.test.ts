import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Happening } from '../../../packages/fake-stripe/src/life/life.ts';
import { totalOfLine } from '../../../packages/fake-stripe/src/objects/credit-note.ts';
import { Refusal } from '../../../packages/fake-stripe/src/refusal.ts';
import { isReversal } from '../../../src/stripe/shapes/reversal-shapes.ts';
import { until } from '../../support/stripe.ts';
import { fresh, stage, useReversalStage } from './harness.ts';
import { type ModelNote, missingByLine } from './notes-model.ts';

const CREDITS = { price_pack: 1000, price_few: 7, price_setup: 0 } as const;
useReversalStage(new Map(Object.entries(CREDITS)));

const percent = fc.integer({ min: 1, max: 100 });
const lineLife = fc.record({
  price: fc.constantFrom('price_pack', 'price_few', 'price_setup'),
  unitAmount: fc.integer({ min: 1, max: 3000 }),
  off: fc.integer({ min: 0, max: 99 }),
  tax: fc.constantFrom(0, 7, 19),
});
const refundLife = fc.record({ percent, fails: fc.boolean() });
const noteLife = fc.record({
  /** How much of each line. */
  percents: fc.array(fc.oneof(fc.constant(0), fc.constant(100), percent), { maxLength: 4 }),
  /** Cents of a line that is none of the invoice's. */
  goodwill: fc.constantFrom(0, 0, 0, 5),
  outOfBand: fc.constantFrom(0, 0, 40, 100),
  toBalance: fc.constantFrom(0, 0, 60),
  /** Whether it is paid back by the latest refund instead of one of its own. */
  linked: fc.boolean(),
  ends: fc.constantFrom('issued', 'issued', 'void', 'refund failed'),
});
const disputeLife = fc.record({ percent, end: fc.constantFrom('open', 'won', 'lost') });
const cases = fc.record({
  lines: fc.array(lineLife, { minLength: 1, maxLength: 4 }),
  acts: fc.array(fc.oneof(refundLife, noteLife), { maxLength: 4 }),
  dispute: fc.option(disputeLife),
  shapes: fc.infiniteStream(fc.constantFrom('current' as const, 'acacia' as const)),
  order: fc.infiniteStream(fc.nat()),
});
type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;
type NoteLife = typeof noteLife extends fc.Arbitrary<infer T> ? T : never;

const share = (cents: number, part: number) => Math.floor((cents * part) / 100);

/** Lets it all happen at the fake Stripe; what that refuses has not happened. */
function happen({ lines, acts, dispute }: Case) {
  const { fake } = stage;
  const userId = fresh('user');
  const paid = fake.payInvoice({
    ...{ userId, customer: fresh('cus'), subscription: fresh('sub') },
    lines: lines.map(({ price, unitAmount, off, tax }) => {
      const discount = share(unitAmount, off);
      return { price, unitAmount, discount, tax: share(unitAmount - discount, tax) };
    }),
  });
  const invoice = fake.store.need('invoice', String(paid.data.object.id));
  const { id, charge } = invoice;
  const events: Happening['events'][number][] = [paid];
  const refunds = new Map<string, number>();
  const disputes = new Map<string, number>();
  const notes: ModelNote[] = [];

  function tell(happening: Happening): string {
    events.push(...happening.events.filter(isReversal));
    return happening.object.id;
  }

  function failRefund(refund: string): void {
    tell(fake.settleRefund(refund, 'failed'));
    refunds.delete(refund);
  }

  function refund({ percent, fails }: { percent: number; fails: boolean }): void {
    const amount = Math.max(1, share(invoice.amountPaid, percent));
    const made = tell(fake.refundPayment(charge ?? '', { amount }));
    refunds.set(made, amount);
    if (fails) failRefund(made);
  }

  function issueNote({ percents, goodwill, linked, ends, ...parts }: NoteLife): void {
    const credited = invoice.lines.flatMap((line, i) => {
      const amount = share(line.amount, percents[i] ?? 0);
      return amount === 0 ? [] : [{ line: line.id, amount }];
    });
    const custom = { description: 'Goodwill', unitAmount: goodwill, quantity: 1 };
    const [latest] = linked ? [...refunds.keys()].slice(-1) : [];
    const note = tell(
      fake.issueCreditNote(id, {
        lines: [...credited, ...(goodwill === 0 ? [] : [custom])],
        outOfBand: parts.outOfBand,
        toBalance: parts.toBalance,
        ...(latest !== undefined && { refund: latest }),
      }),
    );
    const { lines: made, refund, outOfBand, toBalance } = fake.store.need('credit_note', note);
    if (refund && refund.id !== latest) refunds.set(refund.id, refund.amount);
    if (ends === 'refund failed' && refund) failRefund(refund.id);
    if (ends === 'void') {
      tell(fake.voidCreditNote(note));
      return;
    }
    const named = made.map((line) => [line.invoiceLine ?? '', totalOfLine(line)] as const);
    notes.push({ lines: new Map(named), refund, own: outOfBand + toBalance });
  }

  function openDispute({ percent, end }: NonNullable<Case['dispute']>): void {
    const amount = Math.max(1, share(invoice.amountPaid, percent));
    const made = tell(fake.openDispute(charge ?? '', { amount }));
    if (end === 'won' || end === 'lost') tell(fake.closeDispute(made, end));
    if (end !== 'won') disputes.set(made, amount);
  }

  for (const act of acts) unlessRefused(() => ('fails' in act ? refund(act) : issueNote(act)));
  if (dispute) unlessRefused(() => openDispute(dispute));
  const modelled = invoice.lines.map((line, i) => ({
    id: line.id,
    paid: line.amount - line.discount + line.tax,
    credits: CREDITS[lines[i]?.price as keyof typeof CREDITS],
  }));
  return { userId, events, facts: { lines: modelled, refunds, disputes, notes } };
}

function unlessRefused(step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}

test('each grant misses what went back of its line, whatever the order and however often', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async (one) => {
      const { userId, events, facts } = happen(one);
      const shuffled = [...events, ...events]
        .map((event) => ({ event, at: one.order.next().value as number }))
        .toSorted((a, b) => a.at - b.at);
      for (const { event } of shuffled) {
        await stage.deliver(stage.fake.inShape(event, one.shapes.next().value));
      }
      for (const event of events) {
        await until(async () => /done|ignored/.test((await stage.stored(event))?.state ?? ''));
      }
      const missing = missingByLine(facts);
      const expected = facts.lines.map(({ credits }, i) => credits - (missing[i] ?? 0));
      expect(await stage.leftOfGrants(userId)).toEqual(
        expected.filter((_, i) => facts.lines[i]?.credits !== 0),
      );
      expect(expected.every((one, i) => one >= 0 && one <= (facts.lines[i]?.credits ?? 0))).toBe(
        true,
      );
    }),
    { numRuns: 20 },
  );
});
