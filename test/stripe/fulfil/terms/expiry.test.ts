import { describe, expect, test } from 'vitest';
import { runPurser } from '../../../support/process.ts';
import { reconcileOn } from '../../../support/reconcile.ts';
import { publishPrices, until } from '../../../support/stripe.ts';
import { buy, entriesOf, newUser, PRICES, renew, stage, useTermsStage } from './harness.ts';

useTermsStage();

describe('the expiry', () => {
  const DAY = 86_400_000;
  /** In milliseconds, of what was paid at this second. */
  const after30Days = (paidAt: number) => (Math.floor((paidAt * 1000) / DAY) + 31) * DAY;
  const secondsAgo = (days: number) => Math.floor((Date.now() - days * DAY) / 1000);

  /** A session that is told late, of a payment made days ago. */
  async function buyDaysAgo(days: number) {
    const { fake, deliver, stored, balanceOf } = stage;
    const userId = newUser();
    const { id } = fake.createSession({ userId, lines: [{ price: 'days' }] });
    const event = { ...fake.completeSession(id), created: secondsAgo(days) };
    expect(await deliver(event)).toBe('done');
    const told = {
      paidAt: event.created,
      session: id,
      intent: event.data.object['payment_intent'],
    };
    const reason = (await stored(event))?.reason;
    return { ...told, reason, balance: await balanceOf(userId), entries: await entriesOf(userId) };
  }

  test('after days counts from the payment to the end of that UTC day, however late it is told', async () => {
    const { paidAt, reason, balance, entries } = await buyDaysAgo(3);
    expect(reason).toBeNull();
    expect(entries).toMatchObject([{ delta: 10, expiresAt: after30Days(paidAt) }]);
    expect(balance).toBe(10);
  });

  test('of a payment told after its days are over leaves a grant and its expiry', async () => {
    const { paidAt, reason, balance, entries } = await buyDaysAgo(32);
    expect(reason).toBe('granted; its credits had expired by then');
    expect(entries).toMatchObject([
      { kind: 'expiry', delta: -10, balance: 0 },
      { kind: 'purchase', delta: 10, balance: 10, expiresAt: after30Days(paidAt) },
    ]);
    expect(balance).toBe(0);
  });

  test('of a payment that waited longer than its days for its price is in the past, and said so', async () => {
    const { fake, deliver, stored, db } = stage;
    const userId = newUser();
    const lines = [{ price: 'days' }, { price: 'mapped late' }];
    const event = {
      ...fake.completeSession(fake.createSession({ userId, lines }).id),
      created: secondsAgo(32),
    };
    expect(await deliver(event)).toBe('parked');
    const shown = async () => {
      const { stdout } = await runPurser(['events', 'show', event.id], {
        env: { DATABASE_URL: db.url },
      });
      return /^reason +(.*)$/m.exec(stdout)?.[1];
    };
    await publishPrices(db, new Map([...PRICES, ['mapped late', 5]]));
    await until(async () => (await stored(event))?.state === 'done');
    expect(await shown()).toBe('granted; 10 of its 15 credits had expired by then');
    expect((await entriesOf(userId)).map(({ delta }) => delta)).toEqual([-10, 5, 10]);
  });

  test('of an invoice counts from when it was paid, not from when that was told', async () => {
    for (const shape of ['current', 'acacia'] as const) {
      const userId = newUser();
      const lines = [{ price: 'days' }];
      const event = stage.fake.payInvoice({ shape, userId, subscription: `sub_${userId}`, lines });
      const paidAt = secondsAgo(3);
      const object = { ...event.data.object, status_transitions: { paid_at: paidAt } };
      expect(await stage.deliver({ ...event, data: { object } })).toBe('done');
      expect(await entriesOf(userId)).toMatchObject([{ expiresAt: after30Days(paidAt) }]);
    }
  });

  /** A session that is told of as unpaid, and whose money comes days later. */
  function payLater(how: 'captured' | 'slow') {
    const { fake } = stage;
    const userId = newUser();
    const capture = how === 'captured' ? 'manual' : 'automatic';
    const { id } = fake.createSession({ userId, lines: [{ price: 'days' }], capture });
    const { object, events } = fake.paySession(id, how === 'slow' ? { method: 'slow' } : {});
    const completed = events.find(({ type }) => type === 'checkout.session.completed');
    if (!completed) throw new Error('the session was not completed');
    return {
      ...{ userId, id, completed },
      moneyComes() {
        fake.advance(5 * 86_400);
        if (how === 'slow') fake.endSlowPayment(id, 'succeeded');
        else fake.capturePayment(String(object['payment_intent']));
        const paidAt = fake.now();
        fake.advance(3 * 86_400);
        return paidAt;
      },
    };
  }

  test.each(['captured', 'slow'] as const)(
    'of a %s payment counts from when the money came, however late Stripe is asked again',
    async (how) => {
      const { deliver, stored } = stage;
      const { userId, completed, moneyComes } = payLater(how);
      const paidAt = moneyComes();
      expect(await deliver(completed)).toBe('parked');
      await until(async () => (await stored(completed))?.state === 'done');
      expect(await entriesOf(userId)).toMatchObject([
        { delta: 10, expiresAt: after30Days(paidAt) },
      ]);
    },
  );

  test.each(['captured', 'slow'] as const)(
    'of a %s payment counts from when the money came, when its buyer returns days later',
    async (how) => {
      const { userId, id, moneyComes } = payLater(how);
      const paidAt = moneyComes();
      expect(await stage.sync(userId, id)).toBe('granted');
      expect(await entriesOf(userId)).toMatchObject([
        { delta: 10, expiresAt: after30Days(paidAt) },
      ]);
    },
  );

  test('of a payment whose money Stripe dates before it was open counts from when it was found', async () => {
    const { fake, deliver, stored } = stage;
    const { userId, id, completed, moneyComes } = payLater('slow');
    moneyComes();
    const { paymentIntent } = fake.store.need('checkout.session', id);
    const { latestCharge } = fake.store.need('payment_intent', String(paymentIntent));
    const { balanceTransaction } = fake.store.need('charge', String(latestCharge));
    const booked = fake.store.need('balance_transaction', String(balanceTransaction));
    fake.store.save({ ...booked, created: secondsAgo(5) });
    const open = { ...completed, created: secondsAgo(3) };
    const earliest = after30Days(secondsAgo(0));
    expect(await deliver(open)).toBe('parked');
    await until(async () => (await stored(open))?.state === 'done');
    const [entry] = await entriesOf(userId);
    expect([earliest, after30Days(secondsAgo(0))]).toContain(entry?.expiresAt);
  });

  test('of what reconciling finds is by Stripe’s time, too', async () => {
    const another = await stage.restart({ catalogue: PRICES });
    const { fake } = another;
    // The checkout is opened in the evening, and paid after midnight.
    fake.advance(10 * 86_400 + 82_800 - (fake.now() % 86_400));
    const [buyer, subscriber] = [newUser(), newUser()];
    const lines = [{ price: 'days' }];
    const { id } = fake.createSession({ userId: buyer, lines });
    fake.advance(7_200);
    fake.paySession(id);
    fake.payInvoice({ userId: subscriber, subscription: 'sub_found', lines });
    const paidAt = fake.now();
    const captured = payLater('captured');
    const capturedAt = captured.moneyComes();
    await reconcileOn(another, { apply: true });
    for (const userId of [buyer, subscriber]) {
      expect(await entriesOf(userId)).toMatchObject([{ expiresAt: after30Days(paidAt) }]);
    }
    expect(await entriesOf(captured.userId)).toMatchObject([
      { expiresAt: after30Days(capturedAt) },
    ]);
  });

  test('never lies beyond the last year that every client can read', async () => {
    const { fake, deliver } = stage;
    const userId = newUser();
    const event = fake.completeSession(
      fake.createSession({ userId, lines: [{ price: 'days' }] }).id,
    );
    expect(await deliver({ ...event, created: 253_402_300_799 })).toBe('done');
    expect(await entriesOf(userId)).toMatchObject([{ expiresAt: 253_402_300_799_000 }]);
  });

  test('with the period is the end of the invoice line’s, in both shapes', async () => {
    const { entries, periodEnd } = await renew([{ price: 'period' }]);
    expect(entries[0]?.expiresAt).toBe(periodEnd);
  });

  test('with the period is never for what is paid once: it has none', async () => {
    const { entries } = await buy([{ price: 'period' }]);
    expect(entries).toMatchObject([{ delta: 10, expiresAt: null }]);
  });

  test('with the period is never for what was added by hand to a subscription’s invoice', async () => {
    const { state, entries } = await renew([{ price: 'period', added: true }, { price: 'period' }]);
    expect(state).toBe('done');
    expect(entries).toMatchObject([
      { kind: 'included', delta: 10, expiresAt: expect.any(Number) },
      { kind: 'included', delta: 10, expiresAt: null },
    ]);
  });

  test('with a period that cannot be read parks the invoice', async () => {
    const { fake, deliver, stored } = stage;
    const event = fake.payInvoice({
      userId: 'max',
      subscription: 'sub_max',
      lines: [{ price: 'period' }],
    });
    const [line] = (event.data.object['lines'] as { data: object[] }).data;
    const object = { ...event.data.object, lines: { data: [{ ...line, period: null }] } };
    expect(await deliver({ ...event, data: { object } } as never)).toBe('parked');
    expect((await stored(event))?.reason).toBe('a line has no usable period');
  });
});
