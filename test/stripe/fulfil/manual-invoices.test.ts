import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StripeEvent } from '../../../packages/fake-stripe/src/events.ts';
import type { InvoicePaymentRecord } from '../../../packages/fake-stripe/src/objects/invoice-payment.ts';
import type { Shape } from '../../../packages/fake-stripe/src/objects/object.ts';
import { type Prices, type StripeStage, startStripeStage, until } from '../../support/stripe.ts';

const PRICES: Prices = new Map([
  ['by_hand', { credits: 10, manual: 'grant' }],
  ['period', { credits: 10, manual: 'grant', expires: 'period_end' }],
  ['plain', { credits: 10 }],
]);

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage({ catalogue: PRICES });
  await stage.receiver.start();
});
afterAll(() => stage.close());

let made = 0;
function fresh(prefix: string): string {
  made += 1;
  return `${prefix}_${made}`;
}

/** An invoice that somebody writes by hand for a user, and that is paid. */
function write(lines: readonly { price: string; quantity?: number; unitAmount?: number }[]) {
  const userId = fresh('user');
  const customer = fresh('cus');
  const metadata = { user_id: userId };
  const { object, events } = stage.fake.issueInvoice({ customer, lines, metadata, how: 'card' });
  return { userId, id: object.id, events };
}

describe.each(['current', 'acacia'] as const)('manual and one-off invoices in %s', (shape) => {
  const paidOf = (events: ReturnType<typeof write>['events']) => inShape(events, shape);

  test('grant the lines of prices that say manual: "grant", as a purchase, once', async () => {
    const { userId, id, events } = write([{ price: 'by_hand', quantity: 3 }, { price: 'plain' }]);
    const paid = paidOf(events);
    expect(await stage.deliver(paid)).toBe('done');
    await stage.deliver({ ...paid, id: `${paid.id}_again` });
    const { entries } = await stage.ledger.entries(userId, { limit: 9, before: null });
    expect(entries).toMatchObject([{ kind: 'purchase', delta: 30, grantKey: id, ref: id }]);
  });

  test('are ignored when no price of them says so, known or not', async () => {
    const { userId, events } = write([{ price: 'plain' }, { price: 'consulting' }]);
    const paid = paidOf(events);
    expect(await stage.deliver(paid)).toBe('ignored');
    expect((await stage.stored(paid))?.reason).toBe(
      'no price of it gives credits on a manual invoice',
    );
    expect(await stage.balanceOf(userId)).toBe(0);
  });

  test('wait for every price when one of them says so', async () => {
    const { events } = write([{ price: 'by_hand' }, { price: 'typo' }]);
    const paid = paidOf(events);
    expect(await stage.deliver(paid)).toBe('parked');
    expect((await stage.stored(paid))?.reason).toBe('unknown price typo');
  });

  test('give nothing for a line that costs nothing, and know no period', async () => {
    const { userId, events } = write([{ price: 'by_hand', unitAmount: 0 }, { price: 'period' }]);
    expect(await stage.deliver(paidOf(events))).toBe('done');
    const { entries } = await stage.ledger.entries(userId, { limit: 9, before: null });
    expect(entries).toMatchObject([{ delta: 10, expiresAt: null }]);
  });

  test('that are refunded are clawed back', async () => {
    const { userId, id, events } = write([{ price: 'by_hand', quantity: 10 }]);
    await stage.deliver(paidOf(events));
    const refund = stage.fake.refundPayment(chargeOf(id)).events;
    const [created] = refund.filter(({ type }) => type === 'refund.created');
    if (!created) throw new Error('no refund');
    expect(await stage.deliver(stage.fake.inShape(created, shape))).toBe('done');
    expect(await stage.balanceOf(userId)).toBe(0);
  });

  test('that are refunded first know the invoice that was paid from others', async () => {
    const { userId, id, events } = write([{ price: 'by_hand', quantity: 10 }]);
    addPayment(paidOf(events), { invoice: fresh('in'), status: 'canceled' });
    const [refund] = stage.fake.refundPayment(chargeOf(id)).events;
    if (!refund) throw new Error('no refund');
    await stage.deliver(stage.fake.inShape(refund, shape));
    await stage.deliver(paidOf(events));
    await until(async () => (await stage.stored(refund))?.state === 'done');
    const { entries } = await stage.ledger.entries(userId, { limit: 9, before: null });
    expect(entries).toMatchObject([{ delta: -100 }, { delta: 100, grantKey: id }]);
  });

  describe('of a checkout with invoice_creation', () => {
    /** The buyer of the session; its customer is known as somebody else's. */
    async function buy(price = 'by_hand') {
      const [userId, owner, customer] = [fresh('user'), fresh('user'), fresh('cus')];
      await stage.db.sql('INSERT INTO stripe_user_aliases (stripe_id, user_id) VALUES ($1, $2)', [
        customer,
        owner,
      ]);
      const { id } = stage.fake.createSession({
        ...{ userId, customer, invoiceCreation: true, lines: [{ price }] },
      });
      const { events } = stage.fake.paySession(id);
      const completed = events.find(({ type }) => type === 'checkout.session.completed');
      if (!completed) throw new Error('no session');
      const told = { invoice: paidOf(events), session: completed };
      return { userId, owner, ...told, intent: String(completed.data.object['payment_intent']) };
    }

    test.each(['invoice', 'session'] as const)(
      'grant only by their session, to its user: the %s first',
      async (first) => {
        const bought = await buy();
        const told = [bought.invoice, stage.fake.inShape(bought.session, shape)];
        for (const event of first === 'invoice' ? told : told.toReversed()) {
          await stage.deliver(event);
        }
        expect(await stage.balanceOf(bought.userId)).toBe(10);
        expect(await stage.balanceOf(bought.owner)).toBe(0);
        expect(await stage.stored(bought.invoice)).toMatchObject({
          state: 'ignored',
          reason: expect.stringContaining('checkout session'),
        });
      },
    );

    test('grant only by their session also when another payment was begun and canceled', async () => {
      const bought = await buy();
      for (const status of ['open', 'canceled'] as const) {
        addPayment(bought.invoice, { paymentIntent: fresh('pi'), status });
      }
      expect(await stage.deliver(bought.invoice)).toBe('ignored');
      await stage.deliver(bought.session);
      expect(await stage.balanceOf(bought.userId)).toBe(10);
      expect(await stage.balanceOf(bought.owner)).toBe(0);
    });

    test('that is refunded first grant by their session, too', async () => {
      const bought = await buy();
      const intent = String(bought.session.data.object['payment_intent']);
      const { events } = stage.fake.refundPayment(intent);
      const [refund] = events.filter(({ type }) => type === 'refund.created');
      if (!refund) throw new Error('no refund');
      await stage.deliver(refund);
      await stage.deliver(bought.session);
      await until(async () => (await stage.stored(refund))?.state === 'done');
      expect(await stage.balanceOf(bought.userId)).toBe(0);
      const { entries } = await stage.ledger.entries(bought.userId, { limit: 9, before: null });
      expect(entries.at(-1)).toMatchObject({ grantKey: bought.session.data.object.id });
    });

    test('grant once when both come to two servers at the same moment', async () => {
      const servers = [stage, await stage.restart({ catalogue: PRICES })];
      for (let round = 0; round < 25; round++) {
        const bought = await buy();
        const told = [bought.invoice, stage.fake.inShape(bought.session, shape)];
        const order = round % 2 === 0 ? told : told.toReversed();
        await Promise.all(order.map((event, i) => servers[i]?.deliver(event)));
        const { entries } = await stage.ledger.entries(bought.userId, { limit: 9, before: null });
        expect(entries).toMatchObject([{ delta: 10, grantKey: bought.session.data.object.id }]);
        expect(await stage.balanceOf(bought.owner)).toBe(0);
      }
    });

    test.each(['invoice', 'session'] as const)(
      'that would give nothing leave what their session gave to be clawed back: the %s first',
      async (first) => {
        const bought = await buy('plain');
        const told = [bought.invoice, stage.fake.inShape(bought.session, shape)];
        for (const event of first === 'invoice' ? told : told.toReversed()) {
          await stage.deliver(event);
        }
        expect(await stage.balanceOf(bought.userId)).toBe(10);
        for (const event of stage.fake.refundPayment(bought.intent).events) {
          await stage.deliver(stage.fake.inShape(event, shape));
        }
        expect(await stage.balanceOf(bought.userId)).toBe(0);
      },
    );

    test('wait while Stripe cannot say whether there is a session', async () => {
      const bought = await buy();
      stage.fake.setFault({ kind: 'error', status: 500, path: '/v1/checkout/sessions' });
      expect(await stage.deliver(bought.invoice)).toBe('parked');
      stage.fake.setFault(null);
      expect(await stage.balanceOf(bought.owner)).toBe(0);
    });
  });
});

function inShape(events: ReturnType<typeof write>['events'], shape: Shape) {
  const paid = events.find(({ type }) => type === 'invoice.paid');
  if (!paid) throw new Error('the invoice is not paid');
  return stage.fake.inShape(paid, shape);
}

/** Another payment of the invoice, the newest, which differs from the one that paid it. */
function addPayment({ data }: StripeEvent, changes: Partial<InvoicePaymentRecord>): void {
  const { store } = stage.fake;
  const [paid] = store.naming('invoice_payment', 'invoice', data.object.id);
  if (!paid) throw new Error('the invoice has no payment');
  store.save({ ...paid, id: fresh('inpay'), ...changes });
}

function chargeOf(invoice: string): string {
  return stage.fake.store.need('invoice', invoice).charge ?? '';
}
