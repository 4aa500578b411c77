import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { verifyLedger } from '../../../src/ledger/read/verify.ts';
import type { Answer } from '../../support/app.ts';
import { PACK, type Shop, startShop } from '../../support/shop.ts';

/** 500 credits for 5 dollars. */
export const WISH = { price: PACK, threshold: 100, monthly_cap: 1_500 };
const URL = '/api/v1/me/auto-top-up';

export let shop: Shop;
let told = 0;

/** Gives the tests of a file a shop, whose history must be sound after each. */
export function useShop(): void {
  beforeAll(async () => {
    shop = await startShop();
  });
  afterEach(async () => {
    shop.fake.setFault(null);
    expect((await verifyLedger(shop.database.pool)).faults).toEqual([]);
  });
  afterAll(() => shop.close());
}

export const get = (user: string) => shop.call('GET', URL, { as: user });
export const put = (user: string, wish: object = WISH): Promise<Answer> =>
  shop.call('PUT', URL, { as: user, body: wish });
export const remove = (user: string) => shop.call('DELETE', URL, { as: user });

/** The user's customer at Stripe, with a saved card. @returns the card */
export async function saveCard(
  user: string,
  outcome: 'succeeds' | 'card_declined' | 'authentication_required' = 'succeeds',
): Promise<string> {
  const customer = await customerOf(user);
  return String(shop.fake.savePaymentMethod(customer, outcome).object['id']);
}

async function customerOf(user: string): Promise<string> {
  const select = `SELECT stripe_customer_id AS id FROM stripe_customers
                   WHERE user_id = $1 AND stripe_customer_id IS NOT NULL`;
  const [known] = await shop.database.sql<{ id: string }>(select, [user]);
  if (known) return known.id;
  await shop.call('POST', '/api/v1/setup-sessions', { as: user, body: { price: PACK } });
  const [made] = await shop.database.sql<{ id: string }>(select, [user]);
  return String(made?.id);
}

/** Somebody with 150 credits, a saved card and auto top-up below 100. */
export async function optIn(user: string, wish: object = WISH): Promise<void> {
  await shop.give(user, 150);
  await saveCard(user);
  const { status, text } = await put(user, wish);
  expect(status, text).toBe(200);
}

export async function spend(user: string, delta: number, server: Shop = shop): Promise<void> {
  const { status } = await server.call('POST', '/api/v1/credits/debit', {
    as: user,
    body: { delta },
  });
  expect(status).toBe(200);
}

/** Reserves credits, as a service does. */
export async function hold(
  user: string,
  id: string,
  units: number,
  server: Shop = shop,
): Promise<void> {
  const { status, text } = await server.call('POST', `/api/v1/users/${user}/holds`, {
    key: await shop.makeKey('admin'),
    body: { id, units, expires_in: 600 },
  });
  expect(status, text).toBe(200);
}

/** What Stripe has charged the user for, in order. */
export async function paidInvoicesOf(user: string) {
  const customer = await customerOf(user);
  return shop.fake.store
    .naming('invoice', 'customer', customer)
    .filter(({ status }) => status === 'paid');
}

/** Delivers what Stripe has told since the last time, each event twice. */
export async function deliverAll(): Promise<void> {
  const events = shop.fake.events().slice(told);
  told += events.length;
  await shop.deliver(events);
  await shop.deliver(events);
}

/** Lets the back-off of a user be over. */
export async function afterBackOff(user: string): Promise<void> {
  await shop.database.sql('UPDATE auto_top_ups SET retry_at = now() WHERE user_id = $1', [user]);
}

/** Lets the lease of a user's attempt be over, as a minute after its server was killed. */
export async function afterLease(user: string): Promise<void> {
  await shop.database.sql(
    'UPDATE auto_top_up_attempts SET leased_until = now() WHERE user_id = $1',
    [user],
  );
}

export const attemptsOf = (user: string) =>
  shop.database.sql<{ state: string; reason: string | null }>(
    'SELECT state, reason FROM auto_top_up_attempts WHERE user_id = $1 ORDER BY started_at',
    [user],
  );
