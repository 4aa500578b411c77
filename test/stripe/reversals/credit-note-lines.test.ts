import { expect, test } from 'vitest';
import { until } from '../../support/stripe.ts';
import { fresh, stage, useReversalStage } from './harness.ts';
import { CREDITS, createInvoice, deliverAll, LARGE, SMALL, toldOf } from './invoices.ts';

useReversalStage(CREDITS);

const SETUP = { price: 'price_setup', unitAmount: 500 };

test.each(['current', 'acacia'] as const)(
  'a credit note for one line takes the credits of that line, and of no other (%s)',
  async (shape) => {
    for (const order of [1, -1]) {
      const { credit, left } = await createInvoice();
      const told = toldOf(credit(0)).map((event) => stage.fake.inShape(event, shape));
      await deliverAll(order === 1 ? told : told.toReversed());
      expect(await left()).toEqual([0, 500]);
    }
  },
);

test('what is not explained by a note is taken from all that is left', async () => {
  const { charge, credit, left } = await createInvoice();
  await deliverAll(toldOf(credit(0, { outOfBand: 1000 })));
  expect(await left()).toEqual([0, 500]);
  await deliverAll(toldOf(stage.fake.refundPayment(charge, { amount: 500 })));
  expect(await left()).toEqual([0, 375]);
  await deliverAll(toldOf(stage.fake.openDispute(charge, { amount: 1500 })));
  expect(await left()).toEqual([0, 0]);
});

test('more than its line cost is taken from all that is left', async () => {
  const { credit, left } = await createInvoice();
  await deliverAll([...toldOf(credit(0)), ...toldOf(credit(0))]);
  expect(await left()).toEqual([0, 250]);
});

test('a refund in full takes everything, whatever the notes say', async () => {
  const { charge, credit, left } = await createInvoice();
  await deliverAll(toldOf(credit(0)));
  await deliverAll(toldOf(stage.fake.refundPayment(charge)));
  expect(await left()).toEqual([0, 0]);
});

test('the note of a line that gave no credits takes none', async () => {
  const { credit, left } = await createInvoice([SETUP, LARGE, SMALL]);
  await deliverAll(toldOf(credit(0)));
  expect(await left()).toEqual([1000, 500]);
});

test('a note before its invoice is on file, and counts as soon as the invoice has come', async () => {
  const { fake } = stage;
  const userId = fresh('user');
  const paid = fake.payInvoice({
    userId,
    subscription: fresh('sub'),
    customer: fresh('cus'),
    lines: [LARGE, SMALL],
  });
  const { id, lines } = fake.store.need('invoice', String(paid.data.object.id));
  const plan = { lines: [{ line: lines[0]?.id ?? '', quantity: 1 }] };
  const told = toldOf(fake.issueCreditNote(id, plan)).toReversed();
  expect(await stage.deliver(told[0] ?? paid)).toBe('done');
  await deliverAll([...told, paid]);
  expect(await stage.leftOfGrants(userId)).toEqual([0, 500]);
});

test('a refund that fails after its note gives the line’s credits again', async () => {
  const { credit, left } = await createInvoice();
  const told = toldOf(credit(1));
  await deliverAll(told);
  expect(await left()).toEqual([1000, 0]);
  const refund = told.find(({ type }) => type === 'refund.created')?.data.object.id ?? '';
  await deliverAll(toldOf(stage.fake.settleRefund(refund, 'failed')));
  expect(await left()).toEqual([1000, 500]);
});

test('a note that is void no longer says of which line its refund is', async () => {
  const { credit, left } = await createInvoice();
  const note = credit(0);
  await deliverAll(toldOf(note));
  await deliverAll(toldOf(stage.fake.voidCreditNote(note.object.id)));
  expect(await left()).toEqual([667, 333]);
});

test('discounts and taxes belong to their line', async () => {
  const lines = [
    { ...LARGE, discount: 500, tax: 95 },
    { ...SMALL, discount: 100, tax: 361 },
  ];
  const { credit, left } = await createInvoice(lines);
  await deliverAll(toldOf(credit(1)));
  expect(await left()).toEqual([1000, 0]);
});

test('of a note with more than ten lines the others are asked for', async () => {
  const { fake, deliver } = stage;
  const { invoice, issueNote, left } = await createInvoice(Array(12).fill(SMALL));
  const lines = invoice.lines.slice(1).map(({ id, amount }) => ({ line: id, amount }));
  const [noted, ...told] = toldOf(issueNote({ lines })).toReversed();
  if (!noted) throw new Error('there is no credit note');
  await deliverAll(told);
  fake.setFault({ kind: 'error', status: 500, path: '/v1/credit_notes' });
  expect(await deliver(noted)).toBe('parked');
  fake.setFault(null);
  await until(async () => (await stage.stored(noted))?.state === 'done');
  expect(await left()).toEqual([500, ...Array(11).fill(0)]);
});

test.each([
  ['whose lines do not add up', { total: 999, post_payment_amount: 999 }],
  ['of lines that cannot be read', { lines: { data: [{ amount: 'ten' }] } }],
  ['without lines', { lines: null }],
])('a note %s is pro rata', async (_, wrong) => {
  const { credit, left } = await createInvoice();
  for (const event of toldOf(credit(0))) {
    const object = event.type.startsWith('refund') ? {} : wrong;
    await stage.deliver({ ...event, data: { object: { ...event.data.object, ...object } } });
  }
  expect(await left()).toEqual([667, 333]);
});

test('a note of a line that is not its invoice’s is pro rata', async () => {
  const { credit, left } = await createInvoice();
  const [other] = (await createInvoice()).invoice.lines;
  const told = JSON.stringify(toldOf(credit(0)));
  await deliverAll(JSON.parse(told.replaceAll(/il_\w+/g, other?.id ?? '')));
  expect(await left()).toEqual([667, 333]);
});

test('a note of an invoice whose lines do not add up is pro rata', async () => {
  const userId = fresh('user');
  const { fake } = stage;
  const paid = fake.payInvoice({
    userId,
    subscription: fresh('sub'),
    customer: fresh('cus'),
    lines: [LARGE, SMALL],
  });
  const object = { ...paid.data.object, total: 2990, amount_paid: 2990 };
  expect(await stage.deliver({ ...paid, data: { object } })).toBe('done');
  const { id, lines } = fake.store.need('invoice', String(object.id));
  const line = lines[0]?.id ?? '';
  await deliverAll(toldOf(fake.issueCreditNote(id, { lines: [{ line, amount: 1000 }] })));
  expect(await stage.leftOfGrants(userId)).toEqual([666, 333]);
});

test('what was granted by an earlier release is pro rata', async () => {
  const { invoice, credit, left } = await createInvoice();
  await stage.db.sql('UPDATE stripe_payments SET line_amounts = NULL WHERE payment = $1', [
    invoice.id,
  ]);
  await deliverAll(toldOf(credit(0)));
  expect(await left()).toEqual([667, 333]);
});

test('beside a line of less than nothing a note is pro rata: no other cost what it says', async () => {
  const credit = { price: 'price_setup', unitAmount: -1000, proration: true };
  const { issueNote, invoice, left } = await createInvoice([
    { price: 'price_pack', unitAmount: 2000 },
    credit,
  ]);
  const line = invoice.lines[0]?.id ?? '';
  await deliverAll(toldOf(issueNote({ lines: [{ line, amount: 500 }] })));
  expect(await left()).toEqual([500]);
});
