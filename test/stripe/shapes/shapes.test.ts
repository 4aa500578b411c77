import { expect, test } from 'vitest';
import type { Json } from '../../../src/stripe/shapes/json.ts';
import {
  readInvoice,
  readInvoiceLine,
  readSession,
  readSessionLine,
} from '../../../src/stripe/shapes/shapes.ts';

const period = { start: 1, end: 2 };

/** One invoice as both generations send it, with ids and as expanded objects. */
const ACACIA: Json = {
  id: 'in_1',
  status: 'paid',
  total: 1500,
  currency: 'usd',
  paid: true,
  billing_reason: 'subscription_cycle',
  customer: 'cus_1',
  subscription: 'sub_1',
  subscription_details: { metadata: { user_id: 'ada' } },
  payment_intent: 'pi_1',
  charge: 'ch_1',
  lines: {
    has_more: false,
    data: [
      {
        id: 'il_1',
        amount: 1000,
        discount_amounts: [{ amount: 400 }, { amount: 600 }],
        price: { id: 'price_a' },
        plan: { id: 'price_a' },
        proration: false,
        quantity: 2,
        type: 'subscription',
        period,
      },
      {
        ...{ id: 'il_2', amount: 500, plan: { id: 'gold' }, proration: true, quantity: 1, period },
        tax_amounts: [
          { amount: 95, inclusive: false },
          { amount: 80, inclusive: true },
        ],
      },
    ],
  },
};

const BASIL: Json = {
  id: 'in_1',
  status: 'paid',
  total: 1500,
  currency: 'usd',
  billing_reason: 'subscription_cycle',
  customer: { id: 'cus_1', object: 'customer' },
  parent: {
    type: 'subscription_details',
    quote_details: null,
    subscription_details: { subscription: { id: 'sub_1' }, metadata: { user_id: 'ada' } },
  },
  payments: {
    data: [
      { status: 'canceled', payment: { type: 'payment_intent', payment_intent: 'pi_0' } },
      {
        status: 'paid',
        payment: { type: 'payment_intent', payment_intent: 'pi_1', charge: { id: 'ch_1' } },
      },
    ],
  },
  lines: {
    has_more: false,
    data: [
      {
        id: 'il_1',
        amount: 1000,
        discount_amounts: [{ amount: 400 }, { amount: 600 }],
        parent: { subscription_item_details: { proration: false }, invoice_item_details: null },
        pricing: { type: 'price_details', price_details: { price: 'price_a' } },
        quantity: 2,
        period,
      },
      {
        id: 'il_2',
        amount: 500,
        discount_amounts: null,
        taxes: [
          { amount: 95, tax_behavior: 'exclusive' },
          { amount: 80, tax_behavior: 'inclusive' },
        ],
        parent: { subscription_item_details: null, invoice_item_details: { proration: true } },
        pricing: { type: 'price_details', price_details: { price: { id: 'gold' } } },
        quantity: 1,
        period,
      },
    ],
  },
};

test('both generations of an invoice read the same', () => {
  const expected = {
    ok: true,
    value: {
      id: 'in_1',
      status: 'paid',
      billingReason: 'subscription_cycle',
      customer: 'cus_1',
      subscription: 'sub_1',
      user: { userId: 'ada' },
      intent: null,
      aliases: ['pi_1', 'ch_1'],
      money: { amount: 1500, total: 1500, currency: 'usd' },
      lines: {
        ok: true,
        value: [
          {
            ...{ id: 'il_1', price: 'price_a', quantity: 2, cost: 'free', total: 0 },
            ...{ proration: false, period },
          },
          {
            ...{ id: 'il_2', price: 'gold', quantity: 1, cost: 'paid', total: 595 },
            ...{ proration: true, period },
          },
        ],
      },
      linesComplete: true,
    },
  };
  expect(readInvoice(ACACIA)).toEqual(expected);
  expect(readInvoice(BASIL)).toEqual(expected);
});

test('the invoice of 2020 has its subscription’s metadata only when it is expanded', () => {
  const { subscription_details: _, ...old } = ACACIA;
  const expanded = { ...old, subscription: { id: 'sub_1', metadata: { user_id: 'ada' } } };
  expect(readInvoice(old)).toMatchObject({ value: { user: { userId: null } } });
  expect(readInvoice(expanded)).toMatchObject({
    value: { subscription: 'sub_1', user: { userId: 'ada' } },
  });
});

test('a parent that is no subscription, and unknown fields, change nothing', () => {
  const quoted = { ...BASIL, parent: { type: 'quote_details', quote_details: { quote: 'qt_1' } } };
  expect(readInvoice({ ...quoted, novelty: [{}] })).toMatchObject({
    ok: true,
    value: { subscription: null },
  });
});

test('a line that was made from an amount has no price', () => {
  expect(readInvoiceLine({ id: 'il_1', amount: 5, pricing: null, quantity: 1 })).toMatchObject({
    price: null,
    cost: 'paid',
    period: null,
  });
});

test('a session names its payment and its invoice as aliases, expanded or not', () => {
  const session = { id: 'cs_1', mode: 'payment', payment_status: 'paid', metadata: null };
  const paid = { amount_total: 1500, currency: 'USD' };
  expect(
    readSession({
      ...{ ...session, ...paid },
      ...{ payment_intent: { id: 'pi_1' }, invoice: 'in_1', customer: null },
    }),
  ).toEqual({
    ok: true,
    value: {
      id: 'cs_1',
      mode: 'payment',
      paymentStatus: 'paid',
      status: null,
      customer: null,
      subscription: null,
      user: { userId: null },
      reference: null,
      aliases: ['pi_1', 'in_1'],
      money: { amount: 1500, total: 1500, currency: 'usd' },
      discounted: true,
    },
  });
});

test.each([
  ['paid in part', { amount: 100, discount_amounts: [{ amount: 99 }] }, 'paid'],
  ['discounted to nothing', { amount: 100, discount_amounts: [{ amount: 100 }] }, 'free'],
  ['for nothing, as in a trial', { amount: 0, discount_amounts: [] }, 'trial'],
  ['that gives money back', { amount: -100 }, 'credit'],
  ['without an amount', { discount_amounts: [] }, null],
  ['with a textual discount', { amount: 100, discount_amounts: [{ amount: '100' }] }, null],
])('an invoice’s line %s', (_name, line, cost) => {
  expect(readInvoiceLine({ id: 'il_1', quantity: 1, ...line }).cost).toBe(cost);
});

test.each([
  { taxes: 'all' },
  { taxes: [{ amount: '5' }] },
  { amount: 1.5 },
  { discount_amounts: 5 },
])('what a line with %j comes to cannot be told', (line) => {
  expect(readInvoiceLine({ id: 'il_1', amount: 100, ...line }).total).toBeNull();
});

test.each([
  [{ amount_subtotal: 100, amount_discount: 99 }, 'paid'],
  [{ amount_subtotal: 100, amount_discount: 100 }, 'free'],
  [{ amount_subtotal: 0 }, 'free'],
  [{}, 'paid'],
])('a session’s line with %j', (line, cost) => {
  expect(readSessionLine({ id: 'li_1', quantity: 1, ...line }).cost).toBe(cost);
});

test.each([null, {}, { start: 2, end: 1 }, { start: '1', end: 2 }, { start: 1, end: 1e15 }])(
  'the period %j is none',
  (given) => {
    expect(readInvoiceLine({ id: 'il_1', amount: 1, period: given }).period).toBeNull();
  },
);
