import { afterAll, beforeAll, expect } from 'vitest';
import type { InvoiceOptions } from '../../../../packages/fake-stripe/src/life/shortcuts.ts';
import { type Prices, type StripeStage, startStripeStage } from '../../../support/stripe.ts';

/** What the prices of these tests give. */
export const PRICES: Prices = new Map([
  ['plain', { credits: 10 }],
  ['gift', { credits: 10, category: 'bonus' }],
  ['days', { credits: 10, expires: '30 days' }],
  ['period', { credits: 10, expires: 'period_end' }],
  ['trial', { credits: 10, trial: 'grant' }],
  ['free', { credits: 10, free: 'grant' }],
]);

export let stage: StripeStage;

/** Gives the file a running receiver with these prices. */
export function useTermsStage(): void {
  beforeAll(async () => {
    stage = await startStripeStage({ catalogue: PRICES });
    await stage.receiver.start();
  });
  afterAll(() => stage.close());
}

let nextUser = 0;
export function newUser(): string {
  nextUser += 1;
  return `user_${nextUser}`;
}

interface LineGiven {
  readonly price: string;
  readonly quantity?: number;
  readonly unitAmount?: number;
  readonly discount?: number;
  readonly proration?: boolean;
  readonly added?: boolean;
}

export async function entriesOf(userId: string) {
  return (await stage.ledger.entries(userId, { limit: 100, before: null })).entries;
}

/** A paid session of these lines: what became of it, and what its user got. */
export async function buy(
  lines: readonly LineGiven[],
  status: 'paid' | 'no_payment_required' = 'paid',
) {
  const { fake, deliver, stored, balanceOf } = stage;
  const userId = newUser();
  const event = fake.completeSession(fake.createSession({ userId, lines }).id, status);
  const state = await deliver(event);
  const reason = (await stored(event))?.reason;
  return { state, reason, balance: await balanceOf(userId), entries: await entriesOf(userId) };
}

/** The same of an invoice, in both shapes, which must agree. */
export async function renew(lines: readonly LineGiven[], more: Partial<InvoiceOptions> = {}) {
  const { fake, deliver, balanceOf } = stage;
  const results = [];
  for (const shape of ['current', 'acacia'] as const) {
    const userId = newUser();
    const event = fake.payInvoice({ shape, userId, subscription: `sub_${userId}`, lines, ...more });
    const state = await deliver(event);
    const data = event.data.object['lines'] as { data: readonly { period: { end: number } }[] };
    results.push({
      state,
      balance: await balanceOf(userId),
      entries: await entriesOf(userId),
      periodEnd: (data.data[0]?.period.end ?? 0) * 1000,
    });
  }
  const [current, acacia] = results;
  if (!current || !acacia) throw new Error('both shapes were sent');
  expect([acacia.state, acacia.balance]).toEqual([current.state, current.balance]);
  return current;
}
