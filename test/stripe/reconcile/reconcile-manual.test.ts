import { beforeEach, describe, expect, test } from 'vitest';
import {
  forgetEvents,
  fresh,
  reconcileOn,
  stage,
  useReconcileStage,
  writeInvoice,
} from '../../support/reconcile.ts';
import { publishPrices } from '../../support/stripe.ts';

useReconcileStage();
beforeEach(() => publishPrices(stage.db, new Map([['by_hand', { credits: 10, manual: 'grant' }]])));

const runs = [{ apply: false }, { apply: true }];

describe('an invoice that somebody wrote', () => {
  test('is not told while Stripe does not say what is on it, and the run is not complete', async () => {
    const { id } = writeInvoice(stage, 'consulting', 12);
    forgetEvents(stage);
    const path = `/v1/invoices/${id}/lines`;
    for (const run of runs) {
      stage.fake.setFault({ kind: 'error', status: 403, path });
      const refused = `${id}: Stripe's API refuses the key: 403`;
      expect(await reconcileOn(stage, run)).toMatchObject({ found: 0, problems: [refused] });
      stage.fake.setFault({ kind: 'error', status: 500, path });
      const away = `${id}: Stripe's API cannot be reached`;
      expect(await reconcileOn(stage, run)).toMatchObject({ found: 0, problems: [away] });
    }
    stage.fake.setFault(null);
    expect(await reconcileOn(stage, { apply: true })).toMatchObject({ found: 0, problems: [] });
  });

  test('is repaired where its price says that it gives credits', async () => {
    const { userId, id } = writeInvoice(stage, 'by_hand', 1);
    forgetEvents(stage);
    const report = await reconcileOn(stage, { apply: true });
    expect(report.findings).toMatchObject([{ object: id, credits: 10, repaired: true }]);
    expect(await stage.balanceOf(userId)).toBe(10);
  });
});

describe('the receipt of a checkout that waits for its user', () => {
  function buy() {
    const { id } = stage.fake.createSession({
      ...{ customer: fresh('cus'), invoiceCreation: true, lines: [{ price: 'by_hand' }] },
    });
    const { events } = stage.fake.paySession(id);
    return { id, events };
  }
  const waits = (id: string) => [{ kind: 'paid-but-not-granted', object: id }];

  test.each(['never came', 'came'])('is told once, as the session: its events %s', async (how) => {
    const { id, events } = buy();
    if (how === 'came') for (const event of events) await stage.deliver(event);
    forgetEvents(stage);
    for (const run of runs) {
      expect(await reconcileOn(stage, run)).toMatchObject({ found: 1, findings: waits(id) });
    }
  });

  test('is told as the session, though that is older than what is listed', async () => {
    const { id } = buy();
    const record = stage.fake.store.need('checkout.session', id);
    stage.fake.store.save({ ...record, created: 1_600_000_000 });
    forgetEvents(stage);
    for (const run of runs) {
      expect(await reconcileOn(stage, run)).toMatchObject({ found: 1, findings: waits(id) });
    }
  });
});

test.each(['current', 'acacia'] as const)(
  'the receipt of a checkout says nothing of what its session gives, though a refund joins them (%s)',
  async (shape) => {
    const { fake } = stage;
    const userId = fresh('user');
    const lines = [{ price: 'price_pack' }];
    const { id } = fake.createSession({ userId, lines, invoiceCreation: true });
    const { object, events } = fake.paySession(id);
    const { events: refunded } = fake.refundPayment(String(object['payment_intent']), {
      amount: 40,
    });
    for (const type of ['refund.created', 'invoice_payment.paid', 'invoice.paid']) {
      const event = [...refunded, ...events].find((one) => one.type === type);
      if (event) await stage.deliver(fake.inShape(event, shape));
    }
    forgetEvents(stage);
    expect((await reconcileOn(stage, { apply: true })).findings).toMatchObject([
      { kind: 'paid-but-not-granted', object: id, user: userId, repaired: true },
    ]);
    expect(await stage.balanceOf(userId)).toBe(60);
  },
);
