import { expect } from 'vitest';
import type { CreditNotePlan } from '../../../packages/fake-stripe/src/life/credit-notes.ts';
import type { Happening } from '../../../packages/fake-stripe/src/life/life.ts';
import type { LineOptions } from '../../../packages/fake-stripe/src/life/shortcuts.ts';
import { isReversal } from '../../../src/stripe/shapes/reversal-shapes.ts';
import { fresh, stage } from './harness.ts';

/** What the lines of these invoices give. */
export const CREDITS = new Map([
  ['price_pack', 1000],
  ['price_small', 500],
  ['price_setup', 0],
]);

/** 1,000 credits for 10 USD. */
export const LARGE = { price: 'price_pack', unitAmount: 1000 };
/** 500 credits for 20 USD. */
export const SMALL = { price: 'price_small', unitAmount: 2000 };

/** An invoice that has been paid and granted. */
export async function createInvoice(lines: readonly LineOptions[] = [LARGE, SMALL]) {
  const userId = fresh('user');
  const subscription = fresh('sub');
  const paid = stage.fake.payInvoice({ userId, customer: fresh('cus'), subscription, lines });
  expect(await stage.deliver(paid)).toBe('done');
  const invoice = stage.fake.store.need('invoice', String(paid.data.object.id));
  const issueNote = (plan: CreditNotePlan) => stage.fake.issueCreditNote(invoice.id, plan);
  return {
    ...{ userId, invoice, paid, issueNote },
    charge: invoice.charge ?? '',
    left: () => stage.leftOfGrants(userId),
    /** A credit note of the whole line. */
    credit: (which: number, plan: CreditNotePlan = {}) => {
      const { id, amount } = invoice.lines[which] ?? { id: '', amount: 0 };
      return issueNote({ lines: [{ line: id, amount }], ...plan });
    },
  };
}

export const toldOf = ({ events }: Happening) => events.filter(isReversal);

export async function deliverAll(events: Happening['events']): Promise<void> {
  for (const event of events) await stage.deliver(event);
}
