import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
let key: string;
beforeAll(async () => {
  api = await startTestApp();
  key = await api.makeKey('credits:grant');
});
afterAll(() => api.close());

const give = (body: unknown) => {
  const headers = { 'idempotency-key': 'k' };
  return api.call('POST', '/api/v1/users/nobody/grants', { key, body, headers });
};

const BONUS = { amount: 100, category: 'bonus', reason: 'welcome' };

describe('what is refused, and gives nothing', () => {
  const without = (field: keyof typeof BONUS) => {
    const { [field]: _, ...rest } = BONUS;
    return rest;
  };
  const many = Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, 'v']));
  const names =
    'The field `metadata` must have names of up to 40 letters, digits and _ . : - that begin ' +
    'with a letter.';
  const moment = 'The field `expires_at` must be a moment such as 2027-01-31T00:00:00Z.';
  const far = 'The field `expires_at` must be before the year 9999.';
  test.each<readonly [what: string, body: unknown, message: string | RegExp]>([
    ['no amount', without('amount'), 'The field `amount` is missing.'],
    ['no category', without('category'), 'The field `category` is missing.'],
    ['no reason', without('reason'), 'The field `reason` is missing.'],
    ['an empty reason', { ...BONUS, reason: '' }, /^The field `reason` must be a readable text/],
    [
      'a blank reason',
      { ...BONUS, reason: ' \n\t' },
      /^The field `reason` must be a readable text/,
    ],
    ...[
      ...['\u200b', '\u2060\u00a0', '\ufeff', '\u202e', '\u00ad', '\u0301', '\ufe0f'],
      // Blank, though Unicode has them among the letters and symbols.
      ...['\u2800', '\u3164', '\u115f', '\uffa0'],
    ].map((blank): readonly [string, unknown, RegExp] => [
      `an invisible reason: U+${blank.codePointAt(0)?.toString(16)}`,
      { ...BONUS, reason: ` ${blank}` },
      /^The field `reason` must be a readable text/,
    ]),
    ['a reason with NUL', { ...BONUS, reason: 'a\0' }, /^The field `reason` must be a readable/],
    ['a long reason', { ...BONUS, reason: 'x'.repeat(1_001) }, /at most 1000 characters/],
    ['nothing', { ...BONUS, amount: 0 }, 'The field `amount` must be at least 1.'],
    ['less than nothing', { ...BONUS, amount: -5 }, 'The field `amount` must be at least 1.'],
    ['a part', { ...BONUS, amount: 1.5 }, 'The field `amount` must be a whole number.'],
    ['a text', { ...BONUS, amount: '5' }, 'The field `amount` must be a whole number.'],
    ['too much', { ...BONUS, amount: 1e12 + 1 }, /at most 1000000000000/],
    ['an unknown category', { ...BONUS, category: 'debit' }, /^The field `category`/],
    ['a user', { ...BONUS, user_id: 'eve' }, /^The field `user_id` is not known here/],
    ['a grant key', { ...BONUS, grant_key: 'cs_1' }, /^The field `grant_key` is not known here/],
    [
      'the past',
      { ...BONUS, expires_at: '2020-01-01T00:00:00Z' },
      'The field `expires_at` must lie ahead.',
    ],
    ['before 1970', { ...BONUS, expires_at: '0000-01-01T00:00:00Z' }, /must lie ahead/],
    ['the year 9999', { ...BONUS, expires_at: '9999-01-01T00:00:00Z' }, far],
    ['its last second', { ...BONUS, expires_at: '9999-12-31T23:59:59-12:00' }, far],
    ['the year 10000', { ...BONUS, expires_at: '10000-01-01T00:00:00Z' }, moment],
    ['a signed year', { ...BONUS, expires_at: '+010000-01-01T00:00:00Z' }, moment],
    ['a leap second', { ...BONUS, expires_at: '2098-12-31T23:59:60Z' }, moment],
    ['a zone without minutes', { ...BONUS, expires_at: '2099-01-31T00:00:00+05' }, moment],
    ['no zone', { ...BONUS, expires_at: '2099-01-01T00:00:00' }, moment],
    ['no time', { ...BONUS, expires_at: '2099-01-01' }, moment],
    ['no such day', { ...BONUS, expires_at: '2099-02-30T00:00:00Z' }, moment],
    ['words', { ...BONUS, expires_at: 'in 30 days' }, moment],
    ['an empty text', { ...BONUS, expires_at: '' }, moment],
    [
      'a number',
      { ...BONUS, expires_at: 4_070_908_800_000 },
      'The field `expires_at` must be a string.',
    ],
    ['null', { ...BONUS, expires_at: null }, 'The field `expires_at` must be a string.'],
    [
      'nested metadata',
      { ...BONUS, metadata: { a: { b: 'c' } } },
      'The field `metadata.a` must be a string.',
    ],
    [
      'a list in it',
      { ...BONUS, metadata: { a: ['b'] } },
      'The field `metadata.a` must be a string, not a list.',
    ],
    [
      'a number in it',
      { ...BONUS, metadata: { a: 1 } },
      'The field `metadata.a` must be a string.',
    ],
    ['null in it', { ...BONUS, metadata: { a: null } }, 'The field `metadata.a` must be a string.'],
    ['a text instead', { ...BONUS, metadata: '{}' }, 'The field `metadata` must be a JSON object.'],
    [
      'a list instead',
      { ...BONUS, metadata: [] },
      'The field `metadata` must be a JSON object, not a list.',
    ],
    ['51 facts', { ...BONUS, metadata: many }, 'The field `metadata` must have at most 50 fields.'],
    [
      'a long one',
      { ...BONUS, metadata: { a: 'x'.repeat(501) } },
      'The field `metadata.a` must have at most 500 characters.',
    ],
    [
      'NUL in one',
      { ...BONUS, metadata: { a: '\0' } },
      /^The field `metadata.a` must hold no control/,
    ],
    ['a long name', { ...BONUS, metadata: { ['x'.repeat(41)]: '' } }, names],
    ['an empty name', { ...BONUS, metadata: { '': '' } }, names],
    ['a name with NUL', { ...BONUS, metadata: { 'a\0': '' } }, names],
    [
      '__proto__',
      `{"amount":1,"category":"bonus","reason":"r","metadata":{"__proto__":"x"}}`,
      names,
    ],
    [
      'nested __proto__',
      `{"amount":1,"category":"bonus","reason":"r","metadata":{"__proto__":{"a":"x"}}}`,
      /^The field `metadata/,
    ],
    [
      'a lone surrogate',
      `{"amount":1,"category":"bonus","reason":"r","metadata":{"a":"\\ud800"}}`,
      /surrogate/,
    ],
  ])('%s', async (_, body, message) => {
    const answer = await give(body);
    expect(answer.status).toBe(400);
    const said = answer.body.error.message;
    if (typeof message === 'string') expect(said).toBe(message);
    else expect(said).toMatch(message);
    expect(await api.onRecord('nobody')).toEqual({ balance: 0, entries: 0 });
  });

  test('no Idempotency-Key, an empty one, or two', async () => {
    const url = '/api/v1/users/nobody/grants';
    const none = await api.call('POST', url, { key, body: BONUS });
    expect([none.status, none.body.error.message]).toEqual([
      400,
      'The header `idempotency-key` is missing.',
    ]);
    const headers = { 'idempotency-key': '' };
    expect((await api.call('POST', url, { key, body: BONUS, headers })).status).toBe(400);
    expect(await api.onRecord('nobody')).toEqual({ balance: 0, entries: 0 });
  });
});
