import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FRONT_END } from '../../support/app.ts';
import { PACK, type Shop, startShop } from '../../support/shop.ts';

const OTHER = 'https://shop.example.org:8443';
const LOCAL = 'http://localhost:3000';
const PLAIN = 'http://plain.example.com';
const ALLOWED = [FRONT_END, OTHER, LOCAL];

let shop: Shop;
beforeAll(async () => {
  shop = await startShop({ ALLOWED_ORIGINS: JSON.stringify([OTHER, LOCAL, PLAIN]) });
});
afterAll(() => shop.close());

/** Where Stripe was told to send the buyer. */
async function sentTo(body: object): Promise<{ success: string | null; cancel: string | null }> {
  const id = await shop.opened('ada', { price: PACK, ...body });
  const { successUrl: success, cancelUrl: cancel } = shop.fake.store.need('checkout.session', id);
  return { success, cancel };
}

test('without addresses the buyer returns to the front end, with the session’s id', async () => {
  expect(await sentTo({})).toEqual({
    success: `${FRONT_END}/?checkout=success&session_id={CHECKOUT_SESSION_ID}`,
    cancel: `${FRONT_END}/?checkout=cancel`,
  });
});

test.each([
  ['a path', '/thanks', `${FRONT_END}/thanks`],
  ['the place of the session’s id', '/t?s={CHECKOUT_SESSION_ID}', null],
  ['the place of the id in a path', '/t/{CHECKOUT_SESSION_ID}/x', null],
  ['the place of the id in a fragment', '/t#{CHECKOUT_SESSION_ID}', null],
  ['an allowed origin with a port', `${OTHER}/a`, `${OTHER}/a`],
  ['this machine without https', `${LOCAL}/a`, `${LOCAL}/a`],
  ['upper case', 'HTTPS://APP.Example.COM/A', `${FRONT_END}/A`],
  ['https’s own port', `${FRONT_END}:443/`, `${FRONT_END}/`],
])('%s is understood', async (_name, text, expected) => {
  const url = expected ?? `${FRONT_END}${text}`;
  expect(await sentTo({ success_url: text, cancel_url: text })).toEqual({
    success: url,
    cancel: url,
  });
});

describe('leads elsewhere, and is refused before Stripe is asked:', () => {
  test.each([
    ['a host that begins alike', 'https://app.example.com.evil.com'],
    ['a host that ends alike', 'https://evil-app.example.com'],
    ['a subdomain', 'https://x.app.example.com'],
    ['the domain above', 'https://example.com'],
    ['a script', 'javascript:alert(1)'],
    ['a script with the host behind', 'javascript://app.example.com/%0Aalert(1)'],
    ['data', 'data:text/html,x'],
    ['another host in short', '//evil.com'],
    ['another host with backslashes', '\\\\evil.com'],
    ['another host with one of each', '/\\evil.com'],
    ['another host behind a tab', '/\t/evil.com'],
    ['another host behind a line break', '/\n/evil.com'],
    ['user information', 'https://app.example.com@evil.com'],
    ['user information on the right host', 'https://user:pw@app.example.com'],
    ['a user on the right host', 'https://user@app.example.com'],
    ['another port', 'https://app.example.com:444'],
    ['another port of this machine', 'http://localhost:3001'],
    ['another name of this machine', 'http://127.0.0.1:3000'],
    ['no https', 'http://app.example.com'],
    ['an allowed origin without https', `${PLAIN}/`],
    ['a dot at the end', 'https://app.example.com.'],
    ['another scheme', 'ftp://app.example.com'],
    ['an app’s', 'app.example.com:443'],
    ['letters that look alike', 'https://аpp.example.com'],
    ['a full-width dot', 'https://app．evil.com'],
    ['no host', 'https://'],
    ['nothing', ''],
    ['2,001 characters', `/${'x'.repeat(2_000)}`],
    ['no text', 7],
    ['null', null],
  ])('%s', async (_name, text) => {
    for (const field of ['success_url', 'cancel_url']) {
      const before = shop.fake.requests();
      const { status, body } = await shop.open('ada', { price: PACK, [field]: text });
      expect([status, body.error.code, body.error.field]).toEqual([400, 'invalid_request', field]);
      expect(shop.fake.requests()).toBe(before);
    }
  });
});

test('whatever is sent, a buyer only ever returns to an allowed origin', async () => {
  const part = fc.constantFrom(
    ...['https:', 'HTTP:', 'javascript:', '/', '//', '\\', '@', ':', '.', '443', '?', '#', '%2F'],
    ...['app.example.com', 'localhost:3000', 'evil.com', 'user', 'x', '{CHECKOUT_SESSION_ID}'],
  );
  const address = fc.oneof(
    fc.array(part, { minLength: 1, maxLength: 7 }).map((parts) => parts.join('')),
    fc.webUrl({ withFragments: true, withQueryParameters: true }),
  );
  await fc.assert(
    fc.asyncProperty(address, async (text) => {
      const { status, body } = await shop.open('ada', { price: PACK, success_url: text });
      if (status === 400) return;
      expect(status).toBe(200);
      const { successUrl } = shop.fake.store.need('checkout.session', body.data.id);
      const url = new URL(successUrl ?? '');
      expect(ALLOWED).toContain(url.origin);
      expect([url.username, url.password]).toEqual(['', '']);
    }),
    { numRuns: 200 },
  );
});
