/**
 * What Stripe really sent to other projects, in API versions from 2020 to 2026. The folder holds
 * `events/*.json` (whole events) and `objects.ndjson` (`{ object }` per line); its data is not
 * ours to copy, so it is found through STRIPE_CAPTURES_DIR.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type StripeStage, startStripeStage } from '../support/stripe.ts';

const folder = process.env['STRIPE_CAPTURES_DIR'];
if (folder === undefined) {
  console.warn(
    'STRIPE_CAPTURES_DIR is not set: nothing is checked against what Stripe really sent',
  );
}

// biome-ignore lint/suspicious/noExplicitAny: captured data is read as it is, not through a schema
type Raw = any;

let stage: StripeStage;
afterEach(() => stage?.close());

describe.skipIf(folder === undefined)('captured events', () => {
  const { events, invoices } = folder === undefined ? { events: [], invoices: [] } : load(folder);
  const named = (type: string): Raw => events.find((event) => event.type === type);

  test('the captures are there', () => {
    expect(events.length).toBeGreaterThan(40);
    expect(invoices.filter((event) => creditsOf(event.data.object) > 0).length).toBeGreaterThan(5);
    expect(invoices.some(({ data }) => data.object.status === 'draft')).toBe(true);
    expect(named('checkout.session.completed')).toBeDefined();
  });

  test('as they are, all end in a clear state and none grants', async () => {
    stage = await startStripeStage();
    for (const event of [...events, ...invoices, ...events]) {
      expect(await stage.deliver(event), event.type).toBe(stateOfStranger(event));
    }
    expect(await stage.db.sql('SELECT 1 FROM credit_ledger')).toEqual([]);
    expect(await stage.db.sql('SELECT 1 FROM stripe_events WHERE reason IS NULL')).toEqual([]);
  });

  test('with user, prices and livemode matching, each payment grants its lines once', async () => {
    const ours = [named('invoice.paid'), ...invoices].map(inTestMode);
    stage = await startStripeStage({ catalogue: catalogueOf(ours) });
    await mapUsers(ours);
    for (const event of [...ours, ...ours.map(again)]) {
      const credits = creditsOf(event.data.object);
      expect(await stage.deliver(event), event.id).toBe(credits > 0 ? 'done' : 'ignored');
    }
    const expected = new Map<string, number>();
    for (const { data } of ours) {
      const credits = creditsOf(data.object);
      if (credits > 0) expected.set(data.object.id, credits);
    }
    const granted = await stage.db.sql<{ ref: string; credits: number }>(
      'SELECT ref, sum(delta)::int AS credits FROM credit_ledger GROUP BY ref',
    );
    expect(new Map(granted.map(({ ref, credits }) => [ref, credits]))).toEqual(expected);
  });

  test('the captured session grants its line items, and its invoice nothing more', async () => {
    const session = inTestMode(named('checkout.session.completed'));
    const { object } = session.data;
    stage = await startStripeStage();
    await mapUsers([session]);
    const made = stage.fake.createSession({ lines: [{ price: 'price_pack', quantity: 4 }] });
    const lines = stage.fake.sessions.get(made.id)?.lines ?? [];
    stage.fake.sessions.set(object.id, { object, lines });
    expect(await stage.deliver(session)).toBe('done');
    expect(await stage.deliver(again(session))).toBe('done');
    expect(await stage.balanceOf(`user of ${object.customer}`)).toBe(400);
    const invoice = stage.fake.payInvoice({
      id: object.invoice,
      customer: object.customer,
      subscription: 'sub_stitched',
      lines: [{ price: 'price_plan' }],
    });
    expect(await stage.deliver(invoice)).toBe('ignored');
    expect(await stage.balanceOf(`user of ${object.customer}`)).toBe(400);
  });
});

/** Every capture as an event of its own: ids repeat across the files. */
function load(from: string): { events: Raw[]; invoices: Raw[] } {
  const files = readdirSync(join(from, 'events')).filter((name) => name.endsWith('.json'));
  const events = files.map((name, i) => ({
    ...JSON.parse(readFileSync(join(from, 'events', name), 'utf8')),
    id: `evt_captured_${i}`,
  }));
  const objects = readFileSync(join(from, 'objects.ndjson'), 'utf8').trim().split('\n');
  const invoices = objects
    .map((line) => JSON.parse(line))
    .filter(({ object }) => object.object === 'invoice')
    .map(({ api_version, object }, i) => ({
      id: `evt_wrapped_${i}`,
      object: 'event',
      api_version,
      created: object.created,
      livemode: false,
      type: 'invoice.paid',
      data: { object },
    }));
  return { events, invoices };
}

function inTestMode(event: Raw): Raw {
  const object = { ...event.data.object, livemode: false };
  return { ...event, id: `${event.id}_ours`, livemode: false, data: { object } };
}

const again = (event: Raw): Raw => ({ ...event, id: `${event.id}_again` });

/** Each price gives another number of credits, so that no two can be mistaken for each other. */
const creditsOfPrice = (price: string) =>
  [...price].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) % 9973;

const priceOf = (line: Raw): string => line.pricing?.price_details?.price ?? line.price.id;

function catalogueOf(events: Raw[]): ReadonlyMap<string, number> {
  const prices = events.flatMap(({ data }) => data.object.lines.data.map(priceOf));
  return new Map(prices.map((price) => [price, creditsOfPrice(price)]));
}

async function mapUsers(events: Raw[]): Promise<void> {
  await stage.db.sql(
    `INSERT INTO stripe_customers (user_id, stripe_customer_id)
     SELECT DISTINCT 'user of ' || customer, customer FROM unnest($1::text[]) AS c (customer)`,
    [events.map(({ data }) => data.object.customer)],
  );
}

const subscriptionOf = (invoice: Raw) =>
  invoice.subscription || invoice.parent?.subscription_details?.subscription;

/** What an invoice is worth, worked out from the raw object and stripe.com's documentation. */
function creditsOf(invoice: Raw): number {
  if (invoice.status !== 'paid' || !subscriptionOf(invoice)) return 0;
  let credits = 0;
  for (const line of invoice.lines.data) {
    const { subscription_item_details: item, invoice_item_details: extra } = line.parent ?? {};
    const discounts = line.discount_amounts.map(({ amount }: Raw) => amount);
    const net = line.amount - discounts.reduce((a: number, b: number) => a + b, 0);
    if (line.proration || item?.proration || extra?.proration || net <= 0) continue;
    credits += line.quantity * creditsOfPrice(priceOf(line));
  }
  return credits;
}

/** What becomes of an event of somebody else's customers and prices. */
function stateOfStranger({ type, livemode, data: { object } }: Raw): string {
  if (livemode) return 'ignored';
  if (/^(refund|charge\.refunded|charge\.dispute|credit_note)/.test(type)) return 'parked';
  if (type !== 'invoice.paid') return 'ignored';
  return object.status === 'paid' && subscriptionOf(object) ? 'parked' : 'ignored';
}
