import { expect, test } from 'vitest';
import { fresh, stage, useReversalStage } from './harness.ts';
import { CREDITS, createInvoice, deliverAll, LARGE, SMALL, toldOf } from './invoices.ts';

// A credit note says of which lines its refunds are; how much went back is the refunds' own word.

useReversalStage(CREDITS);

/** A credit note of the line that costs 1,000 cents, paid by a refund; both as they are told. */
async function createNote() {
  const invoice = await createInvoice([LARGE, SMALL]);
  const told = toldOf(invoice.credit(0));
  const find = (type: string) => {
    const event = told.find((one) => one.type === type);
    if (!event) throw new Error(`there is no ${type}`);
    return event;
  };
  return { ...invoice, refunded: find('refund.created'), noted: find('credit_note.created') };
}

test('a refund of less than its note says names only so much of the line', async () => {
  const { refunded, noted, left } = await createNote();
  const object = { ...refunded.data.object, amount: 600 };
  await deliverAll([{ ...refunded, data: { object } }, noted]);
  expect(await left()).toEqual([400, 500]);
});

test('a refund that pays the notes of two lines is pro rata', async () => {
  const { charge, credit, invoice, issueNote, left } = await createInvoice([LARGE, SMALL]);
  const refunded = stage.fake.refundPayment(charge, { amount: 1000 });
  const refund = refunded.object.id;
  const [, small] = invoice.lines;
  const other = issueNote({ refund, lines: [{ line: small?.id ?? '', amount: 1000 }] });
  await deliverAll([refunded, credit(0, { refund }), other].flatMap(toldOf));
  expect(await left()).toEqual([667, 333]);
});

test('a refund of another payment does not say of which line this one’s is', async () => {
  const { refunded, noted, left } = await createNote();
  const other = await createNote();
  const [its, others] = [refunded.data.object.id, other.refunded.data.object.id];
  await deliverAll([refunded, other.refunded]);
  await deliverAll([JSON.parse(JSON.stringify(noted).replaceAll(its, others))]);
  expect(await left()).toEqual([667, 333]);
});

/** The event of a note over a whole invoice, with other parts than Stripe's refund. */
async function createNoteOf(refunds: readonly object[]) {
  const { issueNote, left } = await createInvoice([LARGE]);
  const note = issueNote({ amount: 1000 }).events.find(
    ({ type }) => type === 'credit_note.created',
  );
  if (!note) throw new Error('no credit note');
  const state = await stage.deliver({
    ...note,
    data: { object: { ...note.data.object, refunds } },
  });
  return { state, left };
}

test('what was given back elsewhere, by no refund of Stripe’s, is taken by the note itself', async () => {
  const part = { type: 'payment_record_refund', refund: null, amount_refunded: 1000 };
  const { state, left } = await createNoteOf([part]);
  expect([state, await left()]).toEqual(['done', [0]]);
});

test.each([[[-100]], [[2 ** 53 - 1, 2 ** 53 - 1]]])(
  'a note whose refunds come to %j waits to be looked at and takes nothing',
  async (amounts) => {
    const refund = fresh('re');
    const { state, left } = await createNoteOf(
      amounts.map((amount) => ({ type: 'refund', refund, amount_refunded: amount })),
    );
    expect([state, await left()]).toEqual(['parked', [1000]]);
  },
);
