import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyLedger } from '../../../src/ledger/read/verify.ts';
import { grant } from '../../support/commands.ts';
import { holdAccount } from '../../support/database.ts';
import { reconcileOn } from '../../support/reconcile.ts';
import { type StripeStage, startStripeStage, until } from '../../support/stripe.ts';

// One payment has a Checkout session, an invoice and a payment intent, and each may be told alone.

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage();
});
afterAll(() => stage.close());

const PACK = { price: 'price_pack' };

/** A session that was paid, and an invoice that the same payment intent paid. */
function createBoth(userId: string) {
  const { fake } = stage;
  const session = fake.completeSession(fake.createSession({ userId, lines: [PACK] }).id);
  const invoice = fake.payInvoice({
    shape: 'acacia',
    userId,
    subscription: `sub_${userId}`,
    paymentIntent: String(session.data.object['payment_intent']),
    lines: [PACK],
  });
  return { session, invoice };
}

/** The keys under which the payments of these names may be granted. */
const keysOf = (...names: unknown[]) =>
  stage.db.sql(
    'SELECT DISTINCT payment FROM stripe_payment_aliases WHERE alias = ANY($1::text[])',
    [names],
  );

const WAITING_CLAIMS = `
  SELECT FROM pg_stat_activity
   WHERE datname = current_database() AND wait_event_type = 'Lock'
     AND query LIKE '%INSERT INTO stripe_payment_aliases%'`;

/** Waits until the names belong to so many payments. */
const untilKeys = (count: number, ...names: unknown[]) =>
  until(async () => (await keysOf(...names)).length === count);

test('a payment intent joins session and invoice of the older shape', async () => {
  const { session, invoice } = createBoth('lou');
  await stage.deliver(invoice);
  await stage.deliver(session);
  expect(await stage.balanceOf('lou')).toBe(100);
});

test('an invoice that gave nothing does no harm to the payment that it turns out to be of', async () => {
  const { fake, deliver, db } = stage;
  const { id } = fake.createSession({ userId: 'lea', lines: [PACK], invoiceCreation: true });
  const { events } = fake.paySession(id);
  const told = (type: string) => {
    const event = events.find((one) => one.type === type);
    if (!event) throw new Error(`there is no ${type}`);
    return event;
  };
  const [session, invoice] = [told('checkout.session.completed'), told('invoice.paid')];
  const { object } = session.data;
  expect(await deliver(invoice)).toBe('ignored');
  const alone = { ...session, data: { object: { ...object, invoice: null } } };
  expect(await deliver(alone)).toBe('done');
  expect(await keysOf(id, invoice.data.object.id)).toHaveLength(2);
  expect(await deliver(told('invoice_payment.paid'))).toBe('done');
  expect(await keysOf(id, invoice.data.object.id)).toEqual([{ payment: id }]);
  const refund = fake.refundPayment(String(object['payment_intent']), { amount: 40 });
  for (const event of refund.events) await deliver(event);
  expect(await stage.balanceOf('lea')).toBe(60);
  const report = await reconcileOn(stage, { since: new Date(0) });
  expect(
    report.findings.filter(({ object }) => [id, invoice.data.object.id].includes(object)),
  ).toEqual([]);
  expect(await verifyLedger(db.pool)).toMatchObject({ faults: [] });
});

test.each(['invoice_payment.paid', 'the API'])(
  'from basil on a refund of a renewal finds its invoice by %s',
  async (source) => {
    const { fake, deliver, balanceOf } = stage;
    const { events } = fake.subscribe({ userId: `rosa ${source}`, price: 'price_plan' });
    const told = events.filter(({ type }) => type !== 'invoice_payment.paid' || type === source);
    for (const event of told) await deliver({ ...event });
    const [{ paymentIntent } = { paymentIntent: null }] = fake.store.all('invoice').slice(-1);
    const before = fake.requests();
    for (const event of fake.refundPayment(String(paymentIntent)).events) {
      if (event.type === 'refund.created') expect(await deliver({ ...event })).toBe('done');
    }
    expect(await balanceOf(`rosa ${source}`)).toBe(0);
    expect(fake.requests() > before).toBe(source === 'the API');
  },
);

describe('a payment whose grant is under way grants once', () => {
  test.each(['session', 'invoice'] as const)('when the %s came first', async (name) => {
    const userId = `ola-${name}`;
    await stage.ledger.post(grant(userId, 5));
    const both = createBoth(userId);
    const first = both[name];
    const second = name === 'session' ? both.invoice : both.session;
    const hold = await holdAccount(stage.db, userId);
    const deliveries = [stage.deliver(first)];
    await untilKeys(1, first.data.object.id);
    deliveries.push(stage.deliver(second));
    await untilKeys(1, second.data.object.id);
    await hold.release();
    await Promise.all(deliveries);
    expect(await stage.balanceOf(userId)).toBe(105);
  });

  test('when the invoice came first, and another claim has its names at this moment', async () => {
    await stage.ledger.post(grant('otto', 5));
    const { session, invoice } = createBoth('otto');
    const hold = await holdAccount(stage.db, 'otto');
    const deliveries = [stage.deliver(invoice)];
    await untilKeys(1, invoice.data.object.id);
    const other = await stage.db.pool.connect();
    await other.query('BEGIN');
    await other.query('SELECT FROM stripe_payment_aliases FOR UPDATE');
    deliveries.push(stage.deliver(session));
    await until(async () => (await stage.db.sql(WAITING_CLAIMS)).length === 1);
    await other.query('ROLLBACK');
    other.release();
    await untilKeys(1, session.data.object.id);
    await hold.release();
    await Promise.all(deliveries);
    expect(await stage.balanceOf('otto')).toBe(105);
  });

  test.each(['before', 'after'])(
    'when its invoice, named %s the session was told, turns out to be the session’s',
    async (when) => {
      const userId = `olga-${when}`;
      await stage.ledger.post(grant(userId, 5));
      const { fake, deliver } = stage;
      const event = fake.completeSession(fake.createSession({ userId, lines: [PACK] }).id);
      const { id } = event.data.object;
      const invoice = `in_${userId}`;
      const payment = { type: 'payment_intent', payment_intent: `pi_${userId}` };
      const named = {
        ...event,
        id: `${event.id}_named`,
        type: 'invoice_payment.paid',
        data: { object: { id: `inpay_${userId}`, object: 'invoice_payment', invoice, payment } },
      };
      const again = {
        ...event,
        id: `${event.id}_again`,
        data: { object: { ...event.data.object, invoice } },
      };
      const hold = await holdAccount(stage.db, userId);
      if (when === 'before') await deliver(named);
      const deliveries = [deliver(event)];
      await untilKeys(1, id);
      if (when === 'after') await deliver(named);
      await untilKeys(2, id, invoice);
      deliveries.push(deliver(again));
      await untilKeys(1, id, invoice);
      await hold.release();
      await Promise.all(deliveries);
      expect(await stage.balanceOf(userId)).toBe(105);
    },
  );
});
