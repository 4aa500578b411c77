import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
  await api.give('ada', 100);
});
afterAll(() => api.close());

const UNTOUCHED = { balance: 100, entries: 1 };

const SPENDING = [
  ['/api/v1/credits/debit', 'delta', 'reason', 1_000],
  ['/api/v1/use-credits', 'units', 'ref', 255],
] as const;

function expectError({ status, body }: Answer, expected: readonly [number, string, string]): void {
  const { code, message } = body.error;
  expect([status, code, message]).toEqual(expected);
}

describe.each(SPENDING)('POST %s: what is refused', (url, amount, note, longest) => {
  const post = (body: unknown, headers = {}) => api.call('POST', url, { as: 'ada', body, headers });
  const invalid = (message: string) => [400, 'invalid_request', message] as const;
  const notJson = (message: string) => [400, 'invalid_json', message] as const;
  const notJsonType = [
    415,
    'unsupported_media_type',
    'The body must be JSON, sent with Content-Type: application/json.',
  ] as const;
  const inNote = (text: string) => `{"${amount}":1,"${note}":${text}}`;

  afterEach(async () => {
    expect(await api.onRecord('ada')).toEqual(UNTOUCHED);
  });

  test.each([
    ['0', 'must be at least 1'],
    ['-0', 'must be at least 1'],
    ['-5', 'must be at least 1'],
    ['1.5', 'must be a whole number'],
    ['1e-7', 'must be a whole number'],
    ['1e30', 'must be at most 1000000000000'],
    ['1000000000001', 'must be at most 1000000000000'],
    ['9007199254740993', 'must be at most 1000000000000'],
    ['1e999', 'must be a whole number'],
    ['"5"', 'must be a whole number'],
    ['""', 'must be a whole number'],
    ['null', 'must be a whole number'],
    ['true', 'must be a whole number'],
    ['{}', 'must be a whole number'],
    ['[5]', 'must be a whole number, not a list'],
  ])(`${amount} %s`, async (value, complaint) => {
    const answer = await post(`{"${amount}":${value}}`);
    expectError(answer, invalid(`The field \`${amount}\` ${complaint}.`));
    expect(answer.body.error.field).toBe(amount);
  });

  test.each(['{}', `{"${note}":"x"}`])(`a body without ${amount}: %s`, async (body) => {
    expectError(await post(body), invalid(`Send either \`${amount}\` or \`operation\`.`));
  });

  test.each(['null', '5', '"delta"', 'true'])('a body that is %s', async (body) => {
    expectError(await post(body), invalid('The body must be a JSON object.'));
  });

  test('a body that is a list', async () => {
    const message = 'The body must be a JSON object, not a list.';
    expectError(await post(`[{"${amount}":1}]`), invalid(message));
  });

  test.each([
    ['of 10 KB', JSON.stringify('x'.repeat(10_240)), `must have at most ${longest} characters`],
    [
      'a little too long',
      JSON.stringify('🎨'.repeat(longest + 1)),
      `must have at most ${longest} characters`,
    ],
    ['with NUL', '"a\\u0000b"', 'must hold no control characters and no halves of surrogate pairs'],
    [
      'with an escape',
      '"\\u001b[2J"',
      'must hold no control characters and no halves of surrogate pairs',
    ],
    [
      'with a high surrogate',
      '"\\ud800"',
      'must hold no control characters and no halves of surrogate pairs',
    ],
    [
      'with a low surrogate',
      '"a\\udc00b"',
      'must hold no control characters and no halves of surrogate pairs',
    ],
    [
      'with a pair turned round',
      '"\\udc00\\ud800"',
      'must hold no control characters and no halves of surrogate pairs',
    ],
    ['a number', '5', 'must be a string'],
    ['null', 'null', 'must be a string'],
    ['an object', '{"toString":"x"}', 'must be a string'],
    ['a list', '["x"]', 'must be a string, not a list'],
    ['deep', `${'['.repeat(20_000)}${']'.repeat(20_000)}`, 'must be a string, not a list'],
  ])(`a ${note} %s`, async (_, text, complaint) => {
    expectError(await post(inNote(text)), invalid(`The field \`${note}\` ${complaint}.`));
  });

  test.each(['extra', 'Delta', 'user_id', 'constructor', 'toString', ''])(
    'an unknown field: `%s`',
    async (name) => {
      const answer = await post({ [amount]: 1, [name]: 1 });
      const known = `known are \`${amount}\`, \`operation\`, \`quantity\` and \`${note}\``;
      expectError(answer, invalid(`The field \`${name}\` is not known here; ${known}.`));
    },
  );

  test('an unknown field with a huge name, which is not said back in full', async () => {
    const answer = await post({ [amount]: 1, [`${'x'.repeat(60_000)}`]: 1 });
    expect(answer.status).toBe(400);
    expect(answer.text.length).toBeLessThan(600);
  });

  test.each([
    ['cut off', `{"${amount}":1`],
    ['with single quotes', `{'${amount}':1}`],
    ['with a comma too much', `{"${amount}":1,}`],
    ['with NaN', `{"${amount}":NaN}`],
    ['followed by more', `{"${amount}":1}{"${amount}":1}`],
    ['with a line break in a string', inNote('"a\nb"')],
    ['too deep for a parser', '[['.repeat(15_000)],
    ['in UTF-16', Buffer.from(`{"${amount}":1}`, 'utf16le')],
    ['in a form', `${amount}=1`],
  ])('JSON %s', async (_, body) => {
    expectError(await post(body), notJson('The body is not valid JSON.'));
  });

  test.each(['__proto__', 'constructor'])('a field that would change a %s', async (name) => {
    const known = `known are \`${amount}\`, \`operation\`, \`quantity\` and \`${note}\``;
    const message = `The field \`${name}\` is not known here; ${known}.`;
    for (const value of [`{"${note}":"x"}`, '{"prototype":{}}', `{"${amount}":1}`]) {
      expectError(await post(`{"${amount}":1,"${name}":${value}}`), invalid(message));
    }
    const instead = await post(`{"${name}":{"${amount}":1}}`);
    expectError(instead, invalid(message));
  });

  test.each(['gzip', 'br', 'GZIP', 'gzip, identity'])('a body in %s', async (coding) => {
    const message = 'The body must not be compressed: send it without Content-Encoding.';
    const answer = await post({ [amount]: 1 }, { 'content-encoding': coding });
    expectError(answer, [415, 'unsupported_media_type', message]);
  });

  test.each(['utf-16', 'ISO-8859-1', '"utf-7"'])('a body in %s', async (charset) => {
    const message = 'The body must be in UTF-8, and so must its charset.';
    const type = `application/json; charset=${charset}`;
    const answer = await post({ [amount]: 1 }, { 'content-type': type });
    expectError(answer, [415, 'unsupported_media_type', message]);
  });

  test('bytes that are not UTF-8, which would be stored as something else', async () => {
    const body = Buffer.concat([
      Buffer.from(`{"${amount}":1,"${note}":"`),
      Buffer.from([0xff, 0x22, 0x7d]),
    ]);
    expectError(await post(body), notJson('The body is not UTF-8.'));
  });

  test('an empty body', async () => {
    expectError(await post(''), notJson('The body is empty; send a JSON object.'));
    const none = await api.call('POST', url, { as: 'ada' });
    expectError(none, invalid('The body must be a JSON object.'));
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json5',
    'application/vnd.api+json',
    'application',
    '*/*',
    ',',
  ])('the type %s', async (type) => {
    expectError(await post({ [amount]: 1 }, { 'content-type': type }), notJsonType);
  });

  test('a body without a type', async () => {
    // inject() itself adds a type to everything but bytes.
    const body = Buffer.from(`{"${amount}":1}`);
    const request = { as: 'ada', body, headers: { 'content-type': '' } };
    expectError(await api.call('POST', url, request), notJsonType);
  });

  test('a body of 2 MB, before it is read', async () => {
    const answer = await post(inNote(JSON.stringify('x'.repeat(2 * 1024 * 1024))));
    expectError(answer, [413, 'payload_too_large', 'The body is larger than 64 KiB.']);
  });

  test('everything without a token, before the body is looked at', async () => {
    for (const body of ['{', `{"${amount}":1}`, 'x'.repeat(2 * 1024 * 1024)]) {
      const { status } = await api.call('POST', url, { body });
      expect(status).toBe(401);
    }
  });
});

describe('what is taken', () => {
  test.each([
    ['5.0', '{"delta":5.0}', -5],
    ['5e0', '{"delta":5e0}', -5],
    ['0.5e1', ' {"delta" : 0.5e1}\n', -5],
    ['a byte order mark', '\ufeff{"delta":5}', -5],
    // As JSON.parse has it; RFC 8259, section 4, leaves it open.
    ['a name twice: the last one counts', '{"delta":1,"delta":5}', -5],
  ])('%s', async (what, body, delta) => {
    await api.give(what, 10);
    const answer = await api.call('POST', '/api/v1/credits/debit', { as: what, body });
    expect([answer.status, answer.body.data?.entry.delta]).toEqual([200, delta]);
    expect(await api.onRecord(what)).toEqual({ balance: 10 + delta, entries: 2 });
  });

  test.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset="UTF-8"',
    'application/json;',
    'application/json; charset',
  ])('the type %s', async (type) => {
    await api.give(type, 10);
    const call = { as: type, body: { delta: 1 }, headers: { 'content-type': type } };
    expect((await api.call('POST', '/api/v1/credits/debit', call)).status).toBe(200);
  });

  test('the coding identity, which is none', async () => {
    await api.give('plain', 10);
    const call = { as: 'plain', body: { delta: 1 }, headers: { 'content-encoding': 'identity' } };
    expect((await api.call('POST', '/api/v1/credits/debit', call)).status).toBe(200);
  });

  test.each([
    '',
    '🎨 ünïcode\n\tand lines',
    '👩‍👩‍👧',
    'null',
    '�',
    "'; DROP TABLE x;--",
    '🎨'.repeat(1_000),
  ])('the reason %j, kept as it is', async (reason) => {
    await api.give('writer', 1);
    const call = { as: 'writer', body: { delta: 1, reason } };
    const answer = await api.call('POST', '/api/v1/credits/debit', call);
    expect([answer.status, answer.body.data?.entry.reason]).toEqual([200, reason]);
    const { body } = await api.call('GET', '/api/v1/me/credits/entries?limit=1', { as: 'writer' });
    expect(body.data[0].reason).toBe(reason);
  });

  test('the largest amount is refused for want of credits, and for nothing else', async () => {
    const call = { as: 'ada', body: { delta: 1e12 } };
    expect((await api.call('POST', '/api/v1/credits/debit', call)).status).toBe(402);
    expect(await api.onRecord('ada')).toEqual(UNTOUCHED);
  });
});
