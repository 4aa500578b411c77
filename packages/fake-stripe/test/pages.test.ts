import type { Stripe } from 'stripe';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../src/fake-stripe.ts';
import { clientOf } from './support.ts';

let fake: FakeStripe;
let client: Stripe;
beforeEach(async () => {
  fake = await startFakeStripe({ shop: true });
  client = clientOf(fake);
});
afterEach(() => fake.stop());

const SHOP = {
  success_url: 'https://shop.example/thanks?session={CHECKOUT_SESSION_ID}',
  cancel_url: 'https://shop.example/cart',
};

const openCheckout = () =>
  client.checkout.sessions.create({
    ...SHOP,
    mode: 'payment',
    line_items: [
      { price: 'price_starter', quantity: 1, adjustable_quantity: { enabled: true, maximum: 5 } },
      { price: 'price_pro' },
    ],
  });

async function get(url: string | null) {
  const answer = await fetch(url ?? '');
  return { status: answer.status, html: await answer.text(), headers: answer.headers };
}

/** Submits the page's form, as a button of it does. */
async function press(url: string | null, fields: Record<string, string>) {
  const body = new URLSearchParams(fields);
  const answer = await fetch(url ?? '', { method: 'POST', body, redirect: 'manual' });
  return { status: answer.status, to: answer.headers.get('location'), html: await answer.text() };
}

test('the checkout page says that it is simulated, and lists lines and total', async () => {
  const { url } = await openCheckout();
  const { status, html, headers } = await get(url);
  expect(status).toBe(200);
  expect(html).toContain('SIMULATED — no money moves');
  expect(html).toMatch(/\$5\.00[\s\S]*\$18\.00[\s\S]*Total[\s\S]*\$23\.00/);
  expect(html).toContain('aria-label="Quantity of 500 credits"');
  expect(html).not.toContain('<script');
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
});

test('to pay completes the session with the chosen quantity, and leads back to the shop', async () => {
  const { id, url } = await openCheckout();
  const line = (await client.checkout.sessions.listLineItems(id)).data[0]?.id;
  const quantity = `quantity[${line}]`;
  const update = await press(url, { choice: 'update', [quantity]: '2' });
  expect(update.to).toBe(`/c/pay/${id}`);
  expect((await get(url)).html).toContain('$28.00');
  for (const nonsense of ['6', '-1', '1.5', 'x', '']) {
    const refused = await press(url, { choice: 'pay', [quantity]: nonsense });
    expect(refused).toMatchObject({ status: 200, to: null });
    expect(refused.html).toContain('role="alert"');
  }
  const paid = await press(url, { choice: 'pay', [quantity]: '3' });
  expect(paid).toMatchObject({ status: 303, to: `https://shop.example/thanks?session=${id}` });
  expect(await client.checkout.sessions.retrieve(id)).toMatchObject({
    payment_status: 'paid',
    amount_total: 3300,
  });
  expect((await press(url, { choice: 'pay' })).to).toBe(`/c/pay/${id}`);
  expect((await get(`${fake.url}/c/pay/${id}`)).html).toContain('This checkout is complete.');
});

test('a shop on this machine that does not run is no dead end: the page stays', async () => {
  const open = async (at: string) => {
    const urls = { success_url: `${at}/thanks`, cancel_url: `${at}/cart` };
    const line_items = [{ price: 'price_starter', quantity: 1 }];
    return client.checkout.sessions.create({ ...urls, mode: 'payment', line_items });
  };
  for (const shop of ['http://127.0.0.1:1', 'http://localhost:1', 'http://[::1]:1']) {
    const { id, url } = await open(shop);
    expect((await press(url, { choice: 'cancel' })).to).toBe(`/c/pay/${id}`);
    expect((await press(url, { choice: 'pay' })).to).toBe(`/c/pay/${id}`);
    expect((await get(url)).html).toContain(`href="${shop}/thanks"`);
  }
  const { url } = await open(fake.url);
  expect((await press(url, { choice: 'pay' })).to).toBe(`${fake.url}/thanks`);
});

test('to cancel leads back and changes nothing', async () => {
  const { id, url } = await openCheckout();
  expect((await press(url, { choice: 'cancel' })).to).toBe(SHOP.cancel_url);
  expect((await client.checkout.sessions.retrieve(id)).status).toBe('open');
});

test.each(['succeed', 'fail'] as const)('a slow payment is let %s on its page', async (choice) => {
  const { id, url } = await openCheckout();
  expect((await press(url, { choice: 'slow' })).to).toBe(`/c/pay/${id}`);
  expect(await client.checkout.sessions.retrieve(id)).toMatchObject({
    status: 'complete',
    payment_status: 'unpaid',
  });
  const page = `${fake.url}/c/pay/${id}`;
  expect((await get(page)).html).toContain('Let it fail');
  await press(page, { choice });
  const { html } = await get(page);
  expect(html).toContain(
    choice === 'succeed' ? 'This checkout is complete.' : 'The payment failed',
  );
  expect(html).not.toContain('Let it fail');
  expect(html).toContain(`https://shop.example/thanks?session=${id}`);
});

test('whatever a shop calls its things, the page is still the page', async () => {
  const name = `"><script>alert('1')</script>&amp;`;
  const price = await client.prices.create({
    currency: 'usd',
    unit_amount: 1,
    nickname: name,
    product_data: { name },
    recurring: { interval: 'month' },
  });
  const customer = await client.customers.create({});
  const { url } = await client.checkout.sessions.create({
    ...SHOP,
    mode: 'subscription',
    customer: customer.id,
    success_url: 'https://shop.example/?"><script>',
    line_items: [{ price: price.id, adjustable_quantity: { enabled: true } }],
  });
  const portal = await client.billingPortal.sessions.create({
    customer: customer.id,
    return_url: `https://shop.example/?"'><script>`,
  });
  for (const choice of ['', 'slow', 'succeed']) {
    if (choice !== '') await press(url, { choice });
    for (const page of [url, portal.url]) {
      const { status, html } = await get(page);
      expect(status).toBe(200);
      expect(html).not.toContain('<script');
      expect(html.match(/<form/g)?.length ?? 0).toBeLessThanOrEqual(1);
    }
  }
});

test('the portal renews and cancels the subscriptions of its customer, and of nobody else', async () => {
  const { object } = fake.subscribe({ price: 'price_monthly', customer: 'cus_ada' });
  const other = fake.subscribe({ price: 'price_monthly', customer: 'cus_bob' });
  const { url } = await client.billingPortal.sessions.create({
    customer: 'cus_ada',
    return_url: 'https://shop.example/account',
  });
  const { html } = await get(url);
  expect(html).toContain('Monthly plan: 1,000 credits');
  expect(html).toContain('href="https://shop.example/account"');
  expect(html).not.toContain(other.object.id);
  await press(url, { subscription: object.id, choice: 'renew' });
  expect((await client.invoices.list({ subscription: object.id })).data).toHaveLength(2);
  await press(url, { subscription: other.object.id, choice: 'cancel' });
  await press(url, { subscription: object.id, choice: 'cancel' });
  expect((await client.subscriptions.retrieve(object.id)).status).toBe('canceled');
  expect((await client.subscriptions.retrieve(other.object.id)).status).toBe('active');
  expect((await get(url)).html).not.toContain('Renew now');
});

test('an expired session cannot be paid, and an unknown page is one that is not there', async () => {
  const { id, url } = await openCheckout();
  fake.advance(86_400);
  expect(await get(url)).toMatchObject({ status: 410 });
  await press(url, { choice: 'pay' });
  expect((await client.checkout.sessions.retrieve(id)).status).toBe('expired');
  for (const path of ['/c/pay/cs_none', '/p/session/bps_none', '/c/', `/c/pay/${id}/x`]) {
    expect(await get(fake.url + path), path).toMatchObject({ status: 404 });
  }
});
