import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
let key: string;
beforeAll(async () => {
  const prices = { render: 10, tokens: '0.002' };
  api = await startTestApp({ env: { CREDITS_PER_OPERATION_JSON: JSON.stringify(prices) } });
  key = await api.makeKey('credits:spend', 'credits:read');
});
afterAll(() => api.close());

const as = (user: string, path: string, body: object, headers = {}) =>
  api.call('POST', `/api/v1${path}`, { as: user, body, headers });

describe('a debit by the price list', () => {
  test('takes what the operation costs, and the entry records both', async () => {
    await api.give('ada', 100);
    const { body } = await as('ada', '/credits/debit', { operation: 'render', quantity: 3 });
    expect(body.data).toMatchObject({ balance: 70, entry: { delta: -30 } });
    const tokens = await as('ada', '/use-credits', { operation: 'tokens', quantity: '1001.0' });
    expect(tokens.body.data).toMatchObject({ balance: 67 });
    const { data } = (await api.call('GET', '/api/v1/me/credits/entries', { as: 'ada' })).body;
    expect(data.slice(0, 3)).toMatchObject([
      { operation: 'tokens', quantity: '1001', delta: -3 },
      { operation: 'render', quantity: '3', delta: -30 },
      { operation: null, quantity: null },
    ]);
  });

  test('is kept by a hold of it, and its capture spends what it cost', async () => {
    await api.give('amy', 100);
    const hold = { id: 'h', operation: 'render', quantity: 2, expires_in: 60 };
    const url = '/api/v1/users/amy/holds';
    const { body } = await api.call('POST', url, { key, body: hold });
    expect(body.data).toMatchObject({ available: 80, hold: { units: 20 } });
    await api.call('POST', `${url}/h/capture`, { key, body: {} });
    const { data } = (await api.call('GET', '/api/v1/me/credits/entries', { as: 'amy' })).body;
    expect(data.slice(0, 2)).toMatchObject([
      { kind: 'capture', delta: -20 },
      { kind: 'hold', operation: 'render', quantity: '2' },
    ]);
  });

  test('is one unit when no quantity is named', async () => {
    await api.give('bob', 100);
    const { body } = await as('bob', '/credits/debit', { operation: 'render' });
    expect(body.data.balance).toBe(90);
  });

  test.each([
    [{ operation: 'unheard' }, 422, 'unknown_operation', undefined],
    [{ operation: 'render', delta: 3 }, 400, 'invalid_request', 'delta'],
    [{}, 400, 'invalid_request', 'delta'],
    [{ delta: 3, quantity: 2 }, 400, 'invalid_request', 'quantity'],
    [{ operation: 'render', quantity: 0 }, 400, 'invalid_request', 'quantity'],
    [{ operation: 'render', quantity: '1e3' }, 400, 'invalid_request', 'quantity'],
    [{ operation: 'render', quantity: 1.5 }, 400, 'invalid_request', 'quantity'],
    [{ operation: 'render', quantity: 999_999_999_999 }, 400, 'invalid_request', 'quantity'],
  ])('of %j is refused', async (body, status, code, field) => {
    const answer = await as('ada', '/credits/debit', body);
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    if (field) expect(answer.body.error.field).toBe(field);
  });
});

test('the price list is there for everybody', async () => {
  expect((await api.call('GET', '/api/v1/operations')).body).toEqual({
    data: [
      { operation: 'render', credits: '10' },
      { operation: 'tokens', credits: '0.002' },
    ],
  });
});

describe('a quantity that is none', () => {
  const range = 'must be from "0.000000001" to "999999999999.999999999", with at most 9 decimals';
  test.each([
    [0, 'must be at least 1'],
    [-1, 'must be at least 1'],
    [1.5, 'must be a whole number, or a decimal as a text: "1.5"'],
    [1e-7, 'must be a whole number, or a decimal as a text: "0.25"'],
    [1e12, 'must be at most 999999999999'],
    ['1000000000000', range],
    ['0', range],
    ['0.0000000001', range],
    ['1e3', range],
    ['-1', range],
    ['', range],
    [null, 'must be a whole number, or a decimal as a text: "0.25"'],
    [[1], 'must be a whole number, or a decimal as a text: "0.25"'],
  ])('%j is refused with what would be one', async (quantity, complaint) => {
    const { status, body } = await as('ada', '/credits/check', { operation: 'render', quantity });
    expect([status, body.error]).toEqual([
      400,
      {
        code: 'invalid_request',
        message: `The field \`quantity\` ${complaint}.`,
        field: 'quantity',
      },
    ]);
  });

  test.each(['0.000000001', '999999999.999999999', 99_999_999])('%j is one', async (quantity) => {
    const asked = { operation: 'render', quantity };
    expect((await as('ada', '/credits/check', asked)).status).toBe(200);
  });
});

describe('can it be afforded', () => {
  test('is answered with the figures, and nothing is written', async () => {
    await api.give('cid', 25);
    const before = await api.onRecord('cid');
    expect((await as('cid', '/credits/check', { operation: 'render', quantity: 2 })).body).toEqual({
      data: { affordable: true, required: 20, available: 25, shortfall: 0 },
    });
    expect((await as('cid', '/credits/check', { units: 26 })).body).toEqual({
      data: { affordable: false, required: 26, available: 25, shortfall: 1 },
    });
    expect(await api.onRecord('cid')).toEqual(before);
  });
});
