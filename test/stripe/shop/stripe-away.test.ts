import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PACK, type Shop, startShop } from '../../support/shop.ts';

let shop: Shop;
beforeEach(async () => {
  shop = await startShop();
});
afterEach(() => shop.close());

const sessionsOf = (user: string) =>
  shop.fake.store
    .all('checkout.session')
    .filter(({ metadata }) => metadata['user_id'] === user)
    .map(({ id }) => id);

/** All three doors that ask Stripe. */
async function askAll(user: string, session: string) {
  return Promise.all([
    shop.open(user, { price: PACK }),
    shop.sync(user, session),
    shop.call('POST', '/api/v1/portal-sessions', { as: user, body: {} }),
  ]);
}

test.each([
  ['silent', { kind: 'silence' }],
  ['failing', { kind: 'error', status: 500 }],
  ['overrun', { kind: 'error', status: 429 }],
  ['cut off', { kind: 'reset' }],
  ['refusing the key', { kind: 'error', status: 401 }],
] as const)('while Stripe is %s, a 503 with Retry-After comes within 5 s', async (_name, fault) => {
  const session = await shop.opened('ada', { price: PACK });
  shop.fake.setFault(fault);
  for (let i = 0; i < 2; i++) {
    const begun = Date.now();
    for (const { status, headers, body } of await askAll('ada', session)) {
      expect([status, body.error.code]).toEqual([503, 'stripe_unavailable']);
      expect(headers['retry-after']).toBe('5');
      expect(JSON.stringify(body.error)).not.toMatch(/sk_test|401|fake was told/);
    }
    expect(Date.now() - begun).toBeLessThan(5_000);
  }
  expect(shop.log.join('')).not.toContain('sk_test');
});

test('what is only slow is waited for', async () => {
  shop.fake.setFault({ kind: 'slow', ms: 300 });
  expect((await shop.open('ben', { price: PACK })).status).toBe(200);
});

describe('Stripe opened the session, and the answer was lost:', () => {
  test('the client asks again by itself, and there is one session', async () => {
    await shop.opened('cleo', { price: PACK });
    shop.fake.setFault({
      kind: 'error',
      status: 500,
      path: '/v1/checkout/sessions',
      times: 1,
      after: true,
    });
    await shop.opened('cleo', { price: PACK });
    expect(sessionsOf('cleo')).toHaveLength(2);
  });

  test.each(['error', 'reset', 'silence'] as const)(
    'a caller who repeats it with the same key gets that session: %s',
    async (kind) => {
      await shop.opened('dan', { price: PACK });
      const fault = { path: '/v1/checkout/sessions', after: true } as const;
      shop.fake.setFault(kind === 'error' ? { kind, status: 500, ...fault } : { kind, ...fault });
      const lost = await shop.open('dan', { price: PACK }, 'k');
      expect([lost.status, lost.body.error.code]).toEqual([503, 'stripe_unavailable']);
      shop.fake.setFault(null);
      const later = await shop.another();
      const id = await later.opened('dan', { price: PACK }, 'k');
      await later.close();
      expect(sessionsOf('dan')).toHaveLength(2);
      expect(sessionsOf('dan')[1]).toBe(id);
    },
  );

  test('the customer was made, and the answer lost: there is one all the same', async () => {
    shop.fake.setFault({ kind: 'error', status: 500, path: '/v1/customers', after: true });
    expect((await shop.open('eve', { price: PACK })).status).toBe(503);
    shop.fake.setFault(null);
    await shop.opened('eve', { price: PACK });
    expect(shop.fake.store.all('customer')).toHaveLength(1);
  });
});

test('many requests with one key at once do not make Stripe count as away for others', async () => {
  shop.fake.setFault({ kind: 'error', status: 409, path: '/v1/checkout/sessions' });
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => shop.open('flo', { price: PACK }, 'k')),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
  shop.fake.setFault(null);
  expect((await shop.open('gil', { price: PACK })).status).toBe(200);
});

test('what a restricted key may not ask does not make Stripe count as away for all else', async () => {
  await shop.opened('gus', { price: PACK });
  shop.fake.setFault({ kind: 'error', status: 403, path: '/v1/billing_portal/sessions' });
  for (let i = 0; i < 5; i++) {
    const { status } = await shop.call('POST', '/api/v1/portal-sessions', { as: 'gus', body: {} });
    expect(status).toBe(503);
  }
  await shop.opened('gus', { price: PACK });
});

test('what Stripe said of a refusal stays in the log, as codes', async () => {
  await shop.opened('hal', { price: PACK });
  shop.fake.setFault({ kind: 'error', status: 400, path: '/v1/checkout/sessions' });
  const { status, body } = await shop.open('hal', { price: PACK });
  expect([status, body.error.code]).toEqual([422, 'checkout_refused']);
  expect(JSON.stringify(body)).not.toContain('fake was told');
  expect(shop.log.join('')).toContain('invalid_request_error');
  expect(shop.log.join('')).not.toContain('fake was told');
});
