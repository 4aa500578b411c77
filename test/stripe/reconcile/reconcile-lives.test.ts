import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Refusal } from '../../../packages/fake-stripe/src/refusal.ts';
import { verifyLedger } from '../../../src/ledger/verify.ts';
import { createStripeClient, parseApiBase } from '../../../src/stripe/api/client.ts';
import { fresh, reconcileOn } from '../../support/reconcile.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';

/** Two servers of one Stripe, each with a database of its own: one hears everything. */
let whole: StripeStage;
let deaf: StripeStage;
beforeAll(async () => {
  whole = await startStripeStage();
  const apiBase = parseApiBase(whole.fake.url);
  deaf = await startStripeStage({
    client: createStripeClient({ secretKey: 'sk_test_1', apiBase }),
  });
});
afterAll(async () => {
  for (const stage of [whole, deaf]) {
    expect(await verifyLedger(stage.db.pool)).toMatchObject({ faults: [] });
    await stage.close();
  }
});

/** As if Stripe had never created an event; it cannot be made to forget some. */
const WITHOUT_EVENTS = { kind: 'error', status: 404, path: '/v1/events' } as const;

/** Something that happens to a customer; what it is about is chosen by `pick`. */
const step = fc.record({
  what: fc.constantFrom(
    ...(['buy', 'buySlowly', 'subscribe', 'renew', 'upgrade', 'refund', 'refundPending'] as const),
    ...(['failRefund', 'dispute', 'inquire', 'win', 'lose', 'note'] as const),
  ),
  pick: fc.nat(),
  /** Of what can go back, in per cent. */
  share: fc.integer({ min: 1, max: 100 }),
  ends: fc.constantFrom('succeeded' as const, 'failed' as const),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A customer of the shop; every act that its state does not allow is left out. */
function createLife(userId: string) {
  const { fake } = whole;
  const customer = fresh('cus');
  const own = <T>(all: readonly T[], pick: number) => all[pick % all.length];
  const subscriptions: string[] = [];
  const about = <K extends 'charge' | 'refund' | 'dispute' | 'invoice'>(kind: K) =>
    fake.store.all(kind).filter((one) => {
      const charge = 'charge' in one ? fake.store.get('charge', String(one.charge)) : one;
      return (charge && 'customer' in charge ? charge.customer : null) === customer;
    });

  function act({ what, pick, share, ends }: Step): unknown {
    const part = (amount: number) => Math.max(1, Math.floor((amount * share) / 100));
    const charge = own(about('charge'), pick);
    const refund = own(about('refund'), pick);
    const dispute = own(about('dispute'), pick);
    const subscription = own(subscriptions, pick);
    const invoice = own(about('invoice'), pick);
    switch (what) {
      case 'buy':
        return checkOut('payment', 'card');
      case 'buySlowly': {
        const id = checkOut('payment', 'slow');
        return fake.endSlowPayment(id, ends);
      }
      case 'subscribe': {
        const { subscription: made } = fake.store.need(
          'checkout.session',
          checkOut('subscription', 'card'),
        );
        return made && subscriptions.push(made);
      }
      case 'renew':
        return subscription && fake.renewSubscription(subscription);
      case 'upgrade':
        return (
          subscription && fake.changeSubscription(subscription, { quantity: 2, resetPeriod: true })
        );
      case 'refund':
        return charge && fake.refundPayment(charge.id, { amount: part(charge.amountCaptured) });
      case 'refundPending':
        return (
          charge &&
          fake.refundPayment(charge.id, { amount: part(charge.amountCaptured), status: 'pending' })
        );
      case 'failRefund':
        return refund && fake.settleRefund(refund.id, 'failed');
      case 'dispute':
      case 'inquire':
        return (
          charge &&
          fake.openDispute(charge.id, {
            amount: part(charge.amountCaptured),
            inquiry: what === 'inquire',
          })
        );
      case 'win':
        return dispute && fake.closeDispute(dispute.id, 'won');
      case 'lose':
        return dispute && fake.closeDispute(dispute.id, 'lost');
      case 'note': {
        const amount = invoice && part(100);
        return invoice && fake.issueCreditNote(invoice.id, { amount: amount ?? 1, outOfBand: 1 });
      }
    }
  }

  function checkOut(mode: 'payment' | 'subscription', method: 'card' | 'slow'): string {
    const price = mode === 'payment' ? 'price_pack' : 'price_plan';
    const { id } = fake.createSession({ userId, customer, mode, lines: [{ price }] });
    fake.paySession(id, { method });
    return id;
  }

  return { act };
}

/** What cannot happen in this state, the fake refuses. */
function tryTo(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}

/** Attempts what is due, until nothing is. */
async function workOff({ receiver }: StripeStage): Promise<void> {
  const { inbox, attempt } = receiver.processing;
  for (let claims = await inbox.claim(10); claims.length > 0; claims = await inbox.claim(10)) {
    await Promise.all(claims.map(attempt));
  }
}

test('whatever is lost, reconciliation brings the balances of one that lost nothing', async () => {
  const lives = fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 12 }),
    arrives: fc.infiniteStream(fc.boolean()),
    /** Whether Stripe still has the events that were lost. */
    remembered: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(lives, async ({ steps, arrives, remembered }) => {
      const userId = fresh('user');
      const life = createLife(userId);
      const mark = whole.fake.events().length;
      for (const one of steps) tryTo(() => life.act(one));
      for (const event of whole.fake.events().slice(mark)) {
        await whole.deliver(event);
        if (arrives.next().value) await deaf.deliver(event);
      }
      await workOff(whole);
      if (!remembered) whole.fake.setFault(WITHOUT_EVENTS);
      const problems = remembered ? [] : ["events: Stripe's API answers 404"];

      const report = await reconcileOn(deaf, { apply: true });
      expect(report).toMatchObject({ left: 0, problems });
      expect(await deaf.balanceOf(userId)).toBe(await whole.balanceOf(userId));
      const again = await reconcileOn(deaf, { apply: true });
      expect(again).toMatchObject({ findings: [], problems });
      whole.fake.setFault(null);
      expect((await reconcileOn(whole)).findings).toEqual([]);
    }),
    { numRuns: 25 },
  );
}, 120_000);
