import { Stripe } from 'stripe';
import { expect } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../../packages/fake-stripe/src/fake-stripe.ts';
import { type Answer, startTestApp, type TestApp, WEBHOOK_SECRET } from './app.ts';
import { publishPrices, setInUseSince } from './stripe.ts';

/** The whole app with a stand-in for Stripe behind it, and two packs, a plan and a fee for sale. */
export interface Shop extends TestApp {
  readonly fake: FakeStripe;
  /** Opens a checkout for a user. */
  readonly open: (user: string, body: object, key?: string) => Promise<Answer>;
  /** Opens one that must succeed. @returns the session's id */
  readonly opened: (user: string, body: object, key?: string) => Promise<string>;
  readonly sync: (user: string, session: string) => Promise<Answer>;
  /** Delivers all of these events as Stripe's webhook would. @returns the states that were answered */
  readonly deliver: (events: readonly object[]) => Promise<readonly string[]>;
  readonly balanceOf: (user: string) => Promise<number>;
  /** Another server on the same database and the same Stripe, with nothing in memory yet. */
  readonly another: (env?: Readonly<Record<string, string>>) => Promise<Shop>;
}

export const PACK = 'price_starter';
export const PLAN = 'price_monthly';

/** Credits of the prices that the stand-in has. */
export const CREDITS: ReadonlyMap<string, number> = new Map([
  [PACK, 500],
  ['price_pro', 2000],
  [PLAN, 1000],
  ['price_fee', 0],
  ['price_at_no_shop', 10],
]);

/** @param env variables to set */
export async function startShop(env: Readonly<Record<string, string>> = {}): Promise<Shop> {
  const fake = await startFakeStripe({ shop: true });
  fake.createPrice({ id: 'price_fee', product: 'prod_sim_price_starter', unitAmount: 100 });
  const api = await startTestApp({ env: { STRIPE_API_BASE: fake.url, ...env } });
  await publishPrices(api.database, CREDITS);
  await setInUseSince(api.database, new Date('2020-01-01'));
  return openShop(api, fake, () => fake.stop());
}

function openShop(api: TestApp, fake: FakeStripe, stop: () => Promise<void>): Shop {
  async function open(user: string, body: object, key?: string): Promise<Answer> {
    const headers = key === undefined ? {} : { 'idempotency-key': key };
    return api.call('POST', '/api/v1/checkout-sessions', { as: user, body, headers });
  }

  async function deliver(events: readonly object[]): Promise<readonly string[]> {
    const states: string[] = [];
    for (const event of events) {
      const payload = JSON.stringify(event);
      const signature = Stripe.webhooks.generateTestHeaderString({
        payload,
        secret: WEBHOOK_SECRET,
      });
      const answer = await api.call('POST', '/webhooks/stripe', {
        body: payload,
        headers: { 'stripe-signature': signature },
      });
      expect(answer.status, answer.text).toBe(200);
      states.push(answer.body.data.state);
    }
    return states;
  }

  return {
    ...api,
    fake,
    open,
    async opened(user, body, key) {
      const answer = await open(user, body, key);
      expect(answer.status, answer.text).toBe(200);
      return answer.body.data.id;
    },
    sync: (user, session) =>
      api.call('POST', `/api/v1/checkout-sessions/${session}/sync`, { as: user }),
    deliver,
    async balanceOf(user) {
      const { body } = await api.call('GET', '/api/v1/me/credits', { as: user });
      return body.data.balance;
    },
    async another(others = {}) {
      const env = { STRIPE_API_BASE: fake.url, ...others };
      return openShop(await startTestApp({ database: api.database, env }), fake, async () => {});
    },
    async close() {
      await api.close();
      await stop();
    },
  };
}
