import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyLedger } from '../../../src/ledger/verify.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';
import { fresh } from './harness.ts';

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage({
    catalogue: new Map([
      ['price_large', 1000],
      ['price_small', 500],
      ['price_setup', 0],
    ]),
  });
  await stage.receiver.start();
});
afterAll(async () => {
  expect(await verifyLedger(stage.db.pool)).toMatchObject({ faults: [] });
  await stage.close();
});

/** An invoice with 1,000 credits for 10 USD and 500 for 20 USD, paid and granted. */
async function createInvoice() {
  const userId = fresh('user');
  const paid = stage.fake.payInvoice({
    ...{ userId, customer: fresh('cus'), subscription: fresh('sub') },
    lines: [
      { price: 'price_large', unitAmount: 1000 },
      { price: 'price_small', unitAmount: 2000 },
    ],
  });
  expect(await stage.deliver(paid)).toBe('done');
  const { id, lines } = stage.fake.store.need('invoice', String(paid.data.object.id));
  return { userId, id, lines: lines.map((line) => line.id) };
}

/** What is left of each grant, in the order of the lines. */
async function left(userId: string): Promise<readonly number[]> {
  const { entries } = await stage.ledger.entries(userId, { limit: 100, before: null });
  const grants = entries.filter(({ kind }) => kind === 'included').toReversed();
  return grants.map(({ seq }) =>
    entries
      .filter((entry) => entry.seq === seq || entry.reversesSeq === seq)
      .reduce((sum, { delta }) => sum + delta, 0),
  );
}

test('a credit note for one line takes the credits of that line, and of no other', async () => {
  const { userId, id, lines } = await createInvoice();
  const [line = ''] = lines;
  const { events } = stage.fake.issueCreditNote(id, { lines: [{ line, amount: 1000 }] });
  for (const event of events) await stage.deliver(event);
  expect(await left(userId)).toEqual([0, 500]);
});
