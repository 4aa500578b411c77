import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { InvoiceOptions } from '../../../packages/fake-stripe/src/life/shortcuts.ts';
import { reconcileOn } from '../../support/reconcile.ts';
import {
  type Prices,
  publishPrices,
  type StripeStage,
  startStripeStage,
  until,
} from '../../support/stripe.ts';

const PRICES: Prices = new Map([
  ['plain', { credits: 10 }],
  ['gift', { credits: 10, category: 'bonus' }],
  ['days', { credits: 10, expires: '30 days' }],
  ['period', { credits: 10, expires: 'period_end' }],
  ['trial', { credits: 10, trial: 'grant' }],
  ['free', { credits: 10, free: 'grant' }],
]);

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage({ catalogue: PRICES });
  await stage.receiver.start();
});
afterAll(() => stage.close());

let nextUser = 0;
function newUser(): string {
  nextUser += 1;
  return `user_${nextUser}`;
}

interface LineGiven {
  readonly price: string;
  readonly quantity?: number;
  readonly unitAmount?: number;
  readonly discount?: number;
  readonly proration?: boolean;
}

async function entriesOf(userId: string) {
  return (await stage.ledger.entries(userId, { limit: 100, before: null })).entries;
}

/** A paid session of these lines: what became of it, and what its user got. */
async function buy(lines: readonly LineGiven[], status: 'paid' | 'no_payment_required' = 'paid') {
  const { fake, deliver, stored, balanceOf } = stage;
  const userId = newUser();
  const event = fake.completeSession(fake.createSession({ userId, lines }).id, status);
  const state = await deliver(event);
  const reason = (await stored(event))?.reason;
  return { state, reason, balance: await balanceOf(userId), entries: await entriesOf(userId) };
}

/** The same of an invoice, in both shapes, which must agree. */
async function renew(lines: readonly LineGiven[], more: Partial<InvoiceOptions> = {}) {
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

test('a grant records price, quantity, line and the version of its terms', async () => {
  const { entries } = await buy([{ price: 'plain', quantity: 3 }]);
  expect(entries).toMatchObject([
    {
      delta: 30,
      metadata: {
        price: 'plain',
        quantity: '3',
        line: expect.stringMatching(/^li_/),
        catalogue_version: '1',
      },
    },
  ]);
});

describe('the category', () => {
  test('is what the kind of payment says, unless the terms name one', async () => {
    const lines = [{ price: 'plain' }, { price: 'gift' }];
    const bought = await buy(lines);
    expect(bought.entries.map(({ kind }) => kind)).toEqual(['bonus', 'purchase']);
    const renewed = await renew(lines);
    expect(renewed.entries.map(({ kind }) => kind)).toEqual(['bonus', 'included']);
  });
});

describe('the expiry', () => {
  const DAY = 86_400_000;
  /** In milliseconds, of what was paid at this second. */
  const after30Days = (paidAt: number) => (Math.floor((paidAt * 1000) / DAY) + 31) * DAY;
  const secondsAgo = (days: number) => Math.floor((Date.now() - days * DAY) / 1000);

  /** A session that is told late, of a payment made days ago. */
  async function buyDaysAgo(days: number) {
    const { fake, deliver, balanceOf } = stage;
    const userId = newUser();
    const { id } = fake.createSession({ userId, lines: [{ price: 'days' }] });
    const event = { ...fake.completeSession(id), created: secondsAgo(days) };
    expect(await deliver(event)).toBe('done');
    const told = {
      paidAt: event.created,
      session: id,
      intent: event.data.object['payment_intent'],
    };
    return { ...told, balance: await balanceOf(userId), entries: await entriesOf(userId) };
  }

  test('after days counts from the payment to the end of that UTC day, however late it is told', async () => {
    const { paidAt, balance, entries } = await buyDaysAgo(3);
    expect(entries).toMatchObject([{ delta: 10, expiresAt: after30Days(paidAt) }]);
    expect(balance).toBe(10);
  });

  test('of a payment told after its days are over leaves a grant and its expiry', async () => {
    const { paidAt, balance, entries } = await buyDaysAgo(32);
    expect(entries).toMatchObject([
      { kind: 'expiry', delta: -10, balance: 0 },
      { kind: 'purchase', delta: 10, balance: 10, expiresAt: after30Days(paidAt) },
    ]);
    expect(balance).toBe(0);
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

  test('of what was authorized long ago and captured since counts from when that was found', async () => {
    const { fake, deliver, stored, balanceOf } = stage;
    const userId = newUser();
    const { id } = fake.createSession({ userId, lines: [{ price: 'days' }], capture: 'manual' });
    const { object, events } = fake.paySession(id);
    const completed = events.find(({ type }) => type === 'checkout.session.completed');
    const told = { ...completed, id: String(completed?.id), created: secondsAgo(32) };
    expect(await deliver(told)).toBe('parked');
    fake.capturePayment(String(object['payment_intent']));
    await until(async () => (await stored(told))?.state === 'done');
    expect(await balanceOf(userId)).toBe(10);
    const [entry] = await entriesOf(userId);
    expect(entry?.expiresAt).toBe(after30Days((entry?.createdAt ?? 0) / 1000));
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
    await reconcileOn(another, { apply: true });
    for (const userId of [buyer, subscriber]) {
      expect(await entriesOf(userId)).toMatchObject([{ expiresAt: after30Days(paidAt) }]);
    }
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

describe('a trial’s line', () => {
  const trial = (price: string) => [{ price, unitAmount: 0 }];

  test('grants where the terms say so, and only there', async () => {
    expect(await renew(trial('trial'), { billingReason: 'subscription_create' })).toMatchObject({
      state: 'done',
      balance: 10,
    });
    for (const price of ['plain', 'free']) {
      expect(await renew(trial(price))).toMatchObject({ state: 'ignored', balance: 0 });
    }
  });

  test('grants nothing when plans are changed in it, which costs nothing either', async () => {
    for (const billingReason of ['subscription_update', 'subscription_threshold']) {
      const changed = await renew(trial('trial'), { billingReason });
      expect(changed).toMatchObject({ state: 'ignored', balance: 0 });
    }
  });

  test('is no proration', async () => {
    const lines = [{ price: 'trial', unitAmount: 0, proration: true }];
    expect(await renew(lines)).toMatchObject({ state: 'ignored', balance: 0 });
  });
});

describe('a line that a discount made free', () => {
  const discounted = (price: string) => [{ price, unitAmount: 100, discount: 100 }];

  test('grants on an invoice where the terms say so, and only there', async () => {
    expect(await renew(discounted('free'))).toMatchObject({ state: 'done', balance: 10 });
    for (const price of ['plain', 'trial']) {
      expect(await renew(discounted(price))).toMatchObject({ state: 'ignored', balance: 0 });
    }
  });

  test('grants nothing when plans are changed', async () => {
    const billingReason = 'subscription_update';
    const changed = await renew(discounted('free'), { billingReason });
    expect(changed).toMatchObject({ state: 'ignored', balance: 0 });
  });

  test('grants in a session that is paid for its other lines', async () => {
    const { balance } = await buy([
      ...discounted('free'),
      ...discounted('plain'),
      { price: 'gift' },
    ]);
    expect(balance).toBe(20);
  });
});

describe('a free order', () => {
  test('grants the lines whose terms say so, under its own id', async () => {
    const lines = [
      { price: 'free', quantity: 2, discount: 200 },
      { price: 'plain', discount: 100 },
    ];
    const { state, balance, entries } = await buy(lines, 'no_payment_required');
    expect([state, balance]).toEqual(['done', 20]);
    expect(entries).toMatchObject([{ grantKey: expect.stringMatching(/^cs_/), kind: 'purchase' }]);
  });

  test('grants what is priced at nothing, too', async () => {
    const lines = [{ price: 'free', unitAmount: 0 }];
    expect(await buy(lines, 'no_payment_required')).toMatchObject({ state: 'done', balance: 10 });
  });

  test('grants nothing where no terms say so', async () => {
    const lines = [{ price: 'plain' }, { price: 'trial' }];
    const { state, reason, balance } = await buy(lines, 'no_payment_required');
    expect([state, balance]).toEqual(['ignored', 0]);
    expect(reason).toContain('free of charge');
  });

  test('parks for a price that nobody knows, as a paid one does', async () => {
    const lines = [{ price: 'free' }, { price: 'nobody-knows' }];
    const { state, reason } = await buy(lines, 'no_payment_required');
    expect([state, reason]).toEqual(['parked', 'unknown price nobody-knows']);
  });

  test('grants once, however often it is told', async () => {
    const { fake, deliver, balanceOf } = stage;
    const { id } = fake.createSession({ userId: 'once', lines: [{ price: 'free' }] });
    const event = fake.completeSession(id, 'no_payment_required');
    const again = Array.from({ length: 10 }, (_, i) => ({ ...event, id: `${event.id}_${i}` }));
    await Promise.all([event, ...again].map(deliver));
    expect(await balanceOf('once')).toBe(10);
  });
});

test('publishing wakes what waited for the price, without a restart', async () => {
  const { fake, deliver, stored, balanceOf, db } = stage;
  const lines = [{ price: 'late' }];
  const event = fake.completeSession(fake.createSession({ userId: 'lea', lines }).id);
  expect(await deliver(event)).toBe('parked');
  expect(await stored(event)).toMatchObject({ waits_for: ['price:late'] });
  await db.sql(
    `UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour' WHERE id = $1`,
    [event.id],
  );
  await publishPrices(db, new Map([...PRICES, ['late', { credits: 3 }]]));
  await until(async () => (await stored(event))?.state === 'done');
  expect(await balanceOf('lea')).toBe(3);
});

test('a renewal of a price that is not for sale any more still grants', async () => {
  const others = new Map([...PRICES].filter(([price]) => price !== 'plain'));
  const { receiver } = await stage.restart({ catalogue: others });
  await receiver.stop();
  expect(await renew([{ price: 'plain' }])).toMatchObject({ state: 'done', balance: 10 });
});
