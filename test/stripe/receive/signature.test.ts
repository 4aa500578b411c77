import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkWebhookSecret } from '../../../src/stripe/receive/signature.ts';
import {
  delivery,
  PREVIOUS_SECRET,
  SECRET,
  type StripeStage,
  startStripeStage,
} from '../../support/stripe.ts';

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage();
});
afterAll(() => stage.close());

const now = () => Math.floor(Date.now() / 1000);
const event = (changes: object = {}) => ({
  id: 'evt_signature',
  object: 'event',
  api_version: '2026-10-28.endive',
  created: 1,
  data: { object: { id: 'prod_1', object: 'product' } },
  livemode: false,
  type: 'product.created',
  ...changes,
});
const PAYLOAD = JSON.stringify(event());

function hmac(payload: string | Buffer, timestamp: number | string, secret = SECRET): string {
  return createHmac('sha256', secret).update(`${timestamp}.`).update(payload).digest('hex');
}

async function post(payload: string | Buffer, headers: Record<string, string>) {
  return stage.app.inject(delivery(payload, { headers }));
}

describe('is refused with 400 invalid_signature, and nothing is stored:', () => {
  const t = now();
  const v1 = hmac(PAYLOAD, t);
  test.each([
    ['an empty header', ''],
    ['no signature', `t=${t}`],
    ['an empty v1', `t=${t},v1=`],
    ['64 characters that are not ASCII', `t=${t},v1=${'é'.repeat(64)}`],
    ['another secret', `t=${t},v1=${hmac(PAYLOAD, t, 'whsec_other')}`],
    ['the text “undefined” as the secret', `t=${t},v1=${hmac(PAYLOAD, t, 'undefined')}`],
    ['only a v0 signature', `t=${t},v0=${v1}`],
    ['another body', `t=${t},v1=${hmac(`${PAYLOAD} `, t)}`],
    ['another timestamp', `t=${t - 1},v1=${v1}`],
    ['no timestamp', `v1=${v1}`],
    ['a replay of 6 minutes ago', `t=${t - 360},v1=${hmac(PAYLOAD, t - 360)}`],
    ['a timestamp 6 minutes ahead', `t=${t + 360},v1=${hmac(PAYLOAD, t + 360)}`],
    ['a timestamp that is no number', `t=soon,v1=${hmac(PAYLOAD, 'NaN')}`],
    ['two timestamps', `t=${t + 360},t=${t},v1=${v1}`],
    ['a header without any sense', 'þ,,,=,=='],
  ])('%s', async (_name, header) => {
    const response = await post(PAYLOAD, { 'stripe-signature': header });
    expect(response.statusCode, response.body).toBe(400);
    expect(response.json().error.code).toBe('invalid_signature');
    expect(await stage.db.sql('SELECT 1 FROM stripe_events')).toEqual([]);
  });

  test('no header at all, and no body at all', async () => {
    const request = { method: 'POST', url: '/webhooks/stripe' } as const;
    for (const payload of [undefined, PAYLOAD]) {
      const response = await stage.app.inject({ ...request, ...(payload && { payload }) });
      expect(response.statusCode, response.body).toBe(400);
      expect(response.json().error.code).toBe('invalid_signature');
    }
  });
});

describe('is refused with 400 invalid_event, although it is signed:', () => {
  test.each([
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', '"x"'],
    ['a number', '7'],
    ['bad JSON', '{'],
    ['deep lists', '['.repeat(100_000)],
    ['an empty object', '{}'],
    ['a thin event', JSON.stringify(event({ object: 'v2.core.event' }))],
    ['no id', JSON.stringify(event({ id: undefined }))],
    ['an id of another kind', JSON.stringify(event({ id: 'cs_1' }))],
    ['an id with NUL', JSON.stringify(event({ id: 'evt_\0' }))],
    ['an id with a lone surrogate', JSON.stringify(event({ id: 'evt_\udc00' }))],
    ['an id of 256 characters', JSON.stringify(event({ id: `evt_${'x'.repeat(252)}` }))],
    ['a type that is no text', JSON.stringify(event({ type: 7 }))],
    ['an api_version that is no text', JSON.stringify(event({ api_version: {} }))],
    ['an account that is no text', JSON.stringify(event({ account: [] }))],
    ['a livemode that is a text', JSON.stringify(event({ livemode: 'false' }))],
    ['a created beyond all calendars', JSON.stringify(event({ created: 1e15 }))],
    ['a created in the year 10000', JSON.stringify(event({ created: 253_402_300_800 }))],
    ['a created before 1970', JSON.stringify(event({ created: -1 }))],
    ['a created that is a fraction', JSON.stringify(event({ created: 1.5 }))],
    ['no data', JSON.stringify(event({ data: null }))],
    ['a data.object that is a list', JSON.stringify(event({ data: { object: [] } }))],
  ])('%s', async (_name, payload) => {
    const response = await stage.app.inject(delivery(payload));
    expect(response.statusCode, response.body).toBe(400);
    expect(response.json().error.code).toBe('invalid_event');
    expect(await stage.db.sql('SELECT 1 FROM stripe_events')).toEqual([]);
  });
});

test('a body beyond 1 MiB is 413 before anything is computed, and one of 1 MiB is read', async () => {
  const answerTo = async (bytes: number) => {
    const response = await post(Buffer.alloc(bytes, 'x'), { 'stripe-signature': 'none' });
    return [response.statusCode, response.json().error.code];
  };
  expect(await answerTo(1024 * 1024 + 1)).toEqual([413, 'payload_too_large']);
  expect(await answerTo(1024 * 1024)).toEqual([400, 'invalid_signature']);
});

describe('is accepted:', () => {
  let n = 0;
  const fresh = (changes: object = {}) =>
    JSON.stringify(event({ id: `evt_ok_${++n}`, ...changes }));

  test('either secret during a roll-over, and both signatures in one header', async () => {
    for (const secret of [SECRET, PREVIOUS_SECRET]) {
      expect((await stage.app.inject(delivery(fresh(), { secret }))).statusCode).toBe(200);
    }
    const payload = fresh();
    const t = now();
    const both = `t=${t},v1=${hmac(payload, t, 'whsec_x')},v1=${hmac(payload, t)},v0=beef`;
    expect((await post(payload, { 'stripe-signature': both })).statusCode).toBe(200);
  });

  test.each(['text/plain', 'application/octet-stream', 'application/json; charset=latin1'])(
    'the exact bytes, whatever the content type says: %s',
    async (type) => {
      const payload = fresh({ data: { object: { name: '10 € – ünïcode' } } });
      const response = await post(payload, { 'content-type': type });
      expect(response.statusCode, response.body).toBe(200);
    },
  );

  test('a payload that jsonb would refuse: NUL, a lone surrogate, deep nesting', async () => {
    const payload = fresh({ data: { object: { a: '\0', b: '\ud800', c: 'DEEP' } } }).replace(
      '"DEEP"',
      '['.repeat(50_000) + ']'.repeat(50_000),
    );
    const response = await stage.app.inject(delivery(payload));
    expect(response.statusCode, response.body).toBe(200);
    const [row] = await stage.db.sql('SELECT payload FROM stripe_events WHERE id = $1', [
      response.json().data.id,
    ]);
    expect(row?.['payload']).toBe(payload);
  });
});

test('a secret that cannot be Stripe’s is refused at boot', () => {
  for (const bad of ['', '  ', 'undefined', 'whsec_', 'whsec_a b', 'whsec_a\n', 'sk_test_1']) {
    expect(checkWebhookSecret(bad), JSON.stringify(bad)).toBeTypeOf('string');
  }
  expect(checkWebhookSecret('whsec_abc')).toBeNull();
});
