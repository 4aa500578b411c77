import { describe, expect, test } from 'vitest';
import { publishPrices, until } from '../../../support/stripe.ts';
import { buy, PRICES, renew, stage, useTermsStage } from './harness.ts';

useTermsStage();

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
    for (const billingReason of [
      ...['subscription_update', 'subscription_threshold'],
      ...['quote_accept', 'automatic_pending_invoice_item_invoice', 'subscription'],
    ]) {
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

test('a payment waits until every price of it is known, not only the first', async () => {
  const { fake, deliver, stored, balanceOf, db } = stage;
  const lines = [{ price: 'first' }, { price: 'plain' }, { price: 'second' }];
  const event = fake.completeSession(fake.createSession({ userId: 'lia', lines }).id);
  expect(await deliver(event)).toBe('parked');
  await publishPrices(db, new Map([...PRICES, ['first', 3]]));
  await until(async () => (await stored(event))?.reason === 'unknown price second');
  expect(await balanceOf('lia')).toBe(0);
  await publishPrices(db, new Map([...PRICES, ['first', 3], ['second', 4]]));
  await until(async () => (await stored(event))?.state === 'done');
  expect(await balanceOf('lia')).toBe(17);
});

test('a renewal of a price that is not for sale any more still grants', async () => {
  const others = new Map([...PRICES].filter(([price]) => price !== 'plain'));
  const { receiver } = await stage.restart({ catalogue: others });
  await receiver.stop();
  expect(await renew([{ price: 'plain' }])).toMatchObject({ state: 'done', balance: 10 });
});
