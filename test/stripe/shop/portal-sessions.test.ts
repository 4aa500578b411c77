import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FRONT_END } from '../../support/app.ts';
import { PACK, PLAN, type Shop, startShop } from '../../support/shop.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await startShop();
});
afterEach(() => shop.fake.setFault(null));
afterAll(() => shop.close());

const portal = (user: string, body: object = {}) =>
  shop.call('POST', '/api/v1/portal-sessions', { as: user, body });

test('a buyer is sent to the portal, and from there back to the front end', async () => {
  await shop.opened('ada', { price: PACK });
  const { status, body } = await portal('ada');
  expect(status).toBe(200);
  expect(Object.keys(body.data)).toEqual(['url']);
  const [session] = shop.fake.store.all('billing_portal.session');
  expect(session?.returnUrl).toBe(`${FRONT_END}/`);
  await portal('ada', { return_url: '/account' });
  expect(shop.fake.store.all('billing_portal.session').at(-1)?.returnUrl).toBe(
    `${FRONT_END}/account`,
  );
});

test('who has bought nothing has no portal, nor has one whose customer was deleted', async () => {
  await shop.give('ben', 5);
  for (const user of ['nobody', 'ben']) {
    const { status, body } = await portal(user);
    expect([status, body.error.code]).toEqual([409, 'no_customer']);
  }
  const id = await shop.opened('ben', { price: PACK });
  shop.fake.deleteCustomer(String(shop.fake.store.need('checkout.session', id).customer));
  const { status, body } = await portal('ben');
  expect([status, body.error.code]).toEqual([409, 'no_customer']);
});

test('a customer of another user opens no portal, though a checkout names both', async () => {
  const { fake, deliver } = shop;
  const id = await shop.opened('dan', { price: PACK });
  const customer = String(fake.store.need('checkout.session', id).customer);
  const about = {
    userId: 'eve',
    customer,
    mode: 'subscription',
    lines: [{ price: PLAN }],
  } as const;
  const { events } = fake.paySession(fake.createSession(about).id);
  await deliver(events);
  expect(await shop.balanceOf('eve')).toBe(1000);
  const { status, body } = await portal('eve');
  expect([status, body.error?.code]).toEqual([409, 'no_customer']);
  expect((await portal('dan')).status).toBe(200);
});

test('a portal that was never set up at Stripe is a 502 and says nothing of why', async () => {
  await shop.opened('cleo', { price: PACK });
  shop.fake.setFault({ kind: 'error', status: 400, path: '/v1/billing_portal' });
  const { status, body } = await portal('cleo');
  expect([status, body.error.code]).toEqual([502, 'stripe_refused']);
});

test.each([
  ['another origin', { return_url: 'https://evil.example.com' }],
  ['an unknown field', { customer: 'cus_1' }],
  ['a number', { return_url: 5 }],
])('%s is refused', async (_name, sent) => {
  const { status, body } = await portal('ada', sent);
  expect([status, body.error.code]).toEqual([400, 'invalid_request']);
});
