import { expect, test } from 'vitest';
import type { Fault } from '../../../packages/fake-stripe/src/faults.ts';
import {
  afterLease,
  attemptsOf,
  deliverAll,
  optIn,
  put,
  saveCard,
  shop,
  spend,
  useShop,
} from './harness.ts';

useShop();

// Finalizing is the first request about the invoice, paying the second.
const OF_INVOICE = { method: 'POST', path: '/v1/invoices/in_' } as const;
const FINALIZED = { kind: 'slow', ms: 0, times: 1, ...OF_INVOICE } as const;
const AWAY = { kind: 'error', status: 500, ...OF_INVOICE } as const;

const invoicesOf = (user: string) =>
  shop.fake.store.all('invoice').filter(({ metadata }) => metadata['user_id'] === user);

/** An attempt that Stripe's faults leave open. @returns its invoice */
async function leftOpen(user: string, faults: readonly Fault[]) {
  shop.fake.setFault(faults);
  await spend(user, 100);
  await shop.sweepTopUps();
  shop.fake.setFault(null);
  expect(await attemptsOf(user)).toEqual([{ state: 'open', reason: null }]);
  const [invoice] = invoicesOf(user);
  if (!invoice) throw new Error('there is no invoice');
  return invoice;
}

async function goOn(user: string): Promise<void> {
  await afterLease(user);
  await shop.sweepTopUps();
  await deliverAll();
}

test.each([
  ['dearer', { tax: 1 }],
  ['free', { discount: 500 }],
])('what has become %s than the user was told is voided', async (what, change) => {
  const user = `ada-${what}`;
  await optIn(user);
  const draft = await leftOpen(user, [AWAY]);
  shop.fake.store.save({ ...draft, lines: draft.lines.map((line) => ({ ...line, ...change })) });
  await goOn(user);
  expect(await attemptsOf(user)).toEqual([{ state: 'failed', reason: 'amount_changed' }]);
  expect(invoicesOf(user).map(({ status }) => status)).toEqual(['void']);
});

test('what a discount makes cheaper is charged', async () => {
  await optIn('bob');
  const draft = await leftOpen('bob', [AWAY]);
  shop.fake.store.save({ ...draft, lines: draft.lines.map((line) => ({ ...line, discount: 1 })) });
  await goOn('bob');
  expect(invoicesOf('bob')).toMatchObject([{ status: 'paid', amountPaid: 499 }]);
});

test('an invoice that somebody voided is a failure', async () => {
  await optIn('cyd');
  const { id } = await leftOpen('cyd', [FINALIZED, AWAY]);
  shop.fake.voidInvoice(id);
  await goOn('cyd');
  expect(await attemptsOf('cyd')).toEqual([{ state: 'failed', reason: 'invoice_void' }]);
});

test('a draft that has its line gets no other, also when Stripe has forgotten the keys', async () => {
  await optIn('dan');
  await leftOpen('dan', [AWAY]);
  shop.fake.advance(86_400);
  await goOn('dan');
  expect(invoicesOf('dan')).toMatchObject([{ status: 'paid', amountPaid: 500 }]);
  expect(await shop.balanceOf('dan')).toBe(550);
});

test('a card whose decline was not heard is not asked again for the same payment', async () => {
  await optIn('eve');
  await saveCard('eve', 'card_declined');
  await put('eve');
  await leftOpen('eve', [FINALIZED, { kind: 'reset', after: true, times: 2, ...OF_INVOICE }]);
  await goOn('eve');
  expect(await attemptsOf('eve')).toEqual([{ state: 'failed', reason: 'card_declined' }]);
  expect(invoicesOf('eve')).toMatchObject([{ status: 'void', attemptCount: 1 }]);
});
