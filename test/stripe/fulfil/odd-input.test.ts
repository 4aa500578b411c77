/** What Stripe seldom sends, or never: all of it ends in a clear state and a right balance. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { LineOptions } from '../../../packages/fake-stripe/src/life/shortcuts.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';

/** An id of `length` characters. */
const long = (prefix: string, length: number) => prefix.padEnd(length, 'x');
const LONG_PRICE = long('price_', 255);
/** As old accounts have them, and as somebody might have chosen them. */
const LEGACY_PRICES = ['plan_G1x', 'gold', '42', 'Silver, 10 €', '__proto__', 'constructor'];

let stage: StripeStage;
beforeAll(async () => {
  const prices = ['price_pack', 'price_plan', LONG_PRICE, ...LEGACY_PRICES];
  stage = await startStripeStage({ catalogue: new Map(prices.map((price) => [price, 100])) });
});
afterAll(() => stage.close());

let made = 0;
function fresh(prefix: string): string {
  made += 1;
  return `${prefix}_${made}`;
}

/** The event of a paid session, with changes to its object. */
function paid(changes: object = {}, lines: readonly LineOptions[] = [{ price: 'price_pack' }]) {
  const userId = fresh('user');
  const event = stage.fake.completeSession(stage.fake.createSession({ userId, lines }).id);
  return { userId, event: { ...event, data: { object: { ...event.data.object, ...changes } } } };
}

async function outcomeOf({ userId, event }: ReturnType<typeof paid>) {
  const state = await stage.deliver(event);
  const balance = await stage.balanceOf(userId);
  return { state, reason: (await stage.stored(event))?.reason, balance };
}

describe('ids', () => {
  test('of 255 characters are ids like others: of event, session, user, customer and price', async () => {
    const userId = long(fresh('user'), 255);
    const ids = { id: long('cs_', 255), customer: long('cus_', 255) };
    const session = stage.fake.createSession({ userId, ...ids, lines: [{ price: LONG_PRICE }] });
    const completed = { ...stage.fake.completeSession(session.id), id: long('evt_', 255) };
    expect(await stage.deliver(completed)).toBe('done');
    const subscription = long('sub_', 255);
    const lines = [{ price: LONG_PRICE }];
    const id = long('in_', 255);
    const invoice = stage.fake.payInvoice({ id, userId, subscription, lines });
    expect(await stage.deliver(invoice)).toBe('done');
    const keys = (await stage.ledger.entries(userId, { limit: 9, before: null })).entries;
    expect(keys).toMatchObject([
      { grantKey: id, delta: 100 },
      { grantKey: session.id, delta: 100 },
    ]);
  });

  test.each([
    ['256 characters', long('x_', 256)],
    ['NUL', 'x_\0'],
    ['a lone surrogate', 'x_\ud800'],
  ])('with %s are none: they name no customer, payment or reference', async (_, id) => {
    const told = paid({ customer: id, payment_intent: id, invoice: id, client_reference_id: id });
    expect(await outcomeOf(told)).toEqual({ state: 'done', reason: null, balance: 100 });
    const nobodys = paid({ customer: id, metadata: {} });
    expect(await outcomeOf(nobodys)).toMatchObject({ state: 'parked', reason: 'unknown user' });
    const { event } = paid();
    const refund = { id: 're_1', status: 'succeeded', amount: 1, currency: 'usd' };
    const object = { ...refund, object: 'refund', payment_intent: id, charge: id };
    const refunded = { ...event, id: fresh('evt'), type: 'refund.created', data: { object } };
    expect(await stage.deliver(refunded)).toBe('parked');
    expect((await stage.stored(refunded))?.reason).toBe('the refund names no payment');
  });

  test.each([
    ['256 characters', long('price_', 256)],
    ['NUL', 'price_\0'],
    ['another type', 7],
  ])(
    'of a price with %s are those of no price that is known: its payment waits',
    async (_, price) => {
      const lines = [{ price: 'price_pack' }, { price }];
      const told = await outcomeOf(paid({}, lines as never));
      const reason = 'unknown price that cannot be read';
      expect(told).toEqual({ state: 'parked', reason, balance: 0 });
      for (const shape of ['current', 'acacia'] as const) {
        const userId = fresh('user');
        const about = { shape, userId, subscription: fresh('sub'), lines };
        const event = stage.fake.payInvoice(about as never);
        expect(await stage.deliver(event)).toBe('parked');
        expect(await stage.balanceOf(userId)).toBe(0);
      }
    },
  );

  test.each(LEGACY_PRICES)(
    'of a price are opaque: %s gives what the catalogue says',
    async (price) => {
      expect(await outcomeOf(paid({}, [{ price, quantity: 2 }]))).toMatchObject({ balance: 200 });
      for (const shape of ['current', 'acacia'] as const) {
        const userId = fresh('user');
        const subscription = fresh('sub');
        const event = stage.fake.payInvoice({ shape, userId, subscription, lines: [{ price }] });
        expect(await stage.deliver(event)).toBe('done');
        expect(await stage.balanceOf(userId)).toBe(100);
      }
    },
  );
});

describe('quantities of a session’s lines', () => {
  test.each([['5'], [-5], [0.5], [[5]], [true]])('of %j park it', async (quantity) => {
    // The amount of the line is no help: it is positive, as of any line that was paid.
    const lines = [{ price: 'price_pack', quantity, unitAmount: quantity === -5 ? -100 : 100 }];
    const told = await outcomeOf(paid({}, lines as never));
    expect(told).toEqual({
      ...{ state: 'parked', reason: 'a line has no usable quantity', balance: 0 },
    });
  });

  test('of 0 give nothing, and the other lines give theirs', async () => {
    const none = { price: 'price_pack', quantity: 0 };
    expect(await outcomeOf(paid({}, [none]))).toMatchObject({ state: 'ignored', balance: 0 });
    expect(await outcomeOf(paid({}, [none, { price: 'price_plan' }]))).toMatchObject({
      ...{ state: 'done', balance: 100 },
    });
  });
});

describe('currencies', () => {
  test.each(['xyz', 'KWD', 'jpy'])(
    '%s: a payment is granted, and half a refund takes half',
    async (currency) => {
      const told = paid({ currency, amount_total: 1_500 });
      expect(await outcomeOf(told)).toMatchObject({ state: 'done', balance: 100 });
      const { event } = told;
      const { payment_intent: intent } = event.data.object as Record<string, unknown>;
      const object = {
        ...{ id: fresh('re'), object: 'refund', status: 'succeeded', payment_intent: intent },
        ...{ amount: 750, currency: currency.toLowerCase() },
      };
      const refunded = { ...event, id: fresh('evt'), type: 'refund.created', data: { object } };
      expect(await stage.deliver(refunded)).toBe('done');
      expect(await stage.balanceOf(told.userId)).toBe(50);
    },
  );

  test.each([[null], [7], [''], ['x\0'], [{}]])('%j parks the payment', async (currency) => {
    expect(await outcomeOf(paid({ currency }))).toEqual({
      ...{ state: 'parked', reason: 'the session has no usable amount_total', balance: 0 },
    });
  });
});

test.each([[-1], ['1500'], [15.5], [1e16], [null]])(
  'an amount of %j parks the payment',
  async (amount) => {
    expect(await outcomeOf(paid({ amount_total: amount }))).toEqual({
      ...{ state: 'parked', reason: 'the session has no usable amount_total', balance: 0 },
    });
  },
);

test.each(['current', 'acacia'] as const)(
  'invoice.payment_succeeded grants nothing, before and after invoice.paid: %s',
  async (shape) => {
    const userId = fresh('user');
    const lines = [{ price: 'price_plan' }];
    const event = stage.fake.payInvoice({ shape, userId, subscription: fresh('sub'), lines });
    const succeeded = () => ({ ...event, id: fresh('evt'), type: 'invoice.payment_succeeded' });
    expect(await stage.deliver(succeeded())).toBe('ignored');
    expect(await stage.balanceOf(userId)).toBe(0);
    expect(await stage.deliver(event)).toBe('done');
    expect(await stage.deliver(succeeded())).toBe('ignored');
    expect(await stage.balanceOf(userId)).toBe(100);
  },
);

test.each([true, false])(
  'an event of another mode than the key gives nothing: live %s',
  async (livemode) => {
    const other = await startStripeStage({ livemode: !livemode });
    onTestFinished(() => other.close());
    const userId = fresh('user');
    const lines = [{ price: 'price_pack' }];
    const session = other.fake.completeSession(other.fake.createSession({ userId, lines }).id);
    const invoice = other.fake.payInvoice({ userId, subscription: fresh('sub'), lines });
    for (const event of [session, invoice]) {
      const told = { ...event, livemode };
      expect(await other.deliver(told)).toBe('ignored');
      expect((await other.stored(told))?.reason).toMatch(
        /^it is a (test|live) mode event, but the key/,
      );
    }
    expect(await other.balanceOf(userId)).toBe(0);
  },
);

test('a slow payment that succeeded and is unpaid all the same is parked, and says so', async () => {
  const { userId, event } = paid({ payment_status: 'unpaid' });
  const told = { ...event, type: 'checkout.session.async_payment_succeeded' };
  expect(await outcomeOf({ userId, event: told })).toEqual({
    state: 'parked',
    reason: 'checkout.session.async_payment_succeeded with payment_status unpaid',
    balance: 0,
  });
});
