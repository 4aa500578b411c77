/**
 * What Stripe really sent to other projects, in API versions from 2020 to 2026. The folder holds
 * `events/*.json` (whole events) and `objects.ndjson` (`{ object }` per line); its data is not
 * ours to copy, so it is found through STRIPE_CAPTURES_DIR.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { verifyLedger } from '../../../src/ledger/read/verify.ts';
import { readInvoice } from '../../../src/stripe/shapes/shapes.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';

const folder = process.env['STRIPE_CAPTURES_DIR'];
if (folder === undefined) {
  console.warn(
    'STRIPE_CAPTURES_DIR is not set: nothing is checked against what Stripe really sent',
  );
}

// biome-ignore lint/suspicious/noExplicitAny: captured data is read as it is, not through a schema
type Raw = any;

let stage: StripeStage;

const { events, objects } = folder === undefined ? { events: [], objects: [] } : load(folder);
const invoices = objects.filter(({ type }) => type === 'invoice.paid');
const named = (type: string): Raw => events.find((event) => event.type === type);

describe.skipIf(folder === undefined)('captured invoices', () => {
  test('the captures are there', () => {
    expect(events.length).toBeGreaterThan(40);
    expect(invoices.filter((event) => creditsOf(event.data.object) > 0).length).toBeGreaterThan(5);
    expect(invoices.some(({ data }) => data.object.status === 'draft')).toBe(true);
    expect(named('checkout.session.completed')).toBeDefined();
  });

  test.each(invoices.map(({ data }) => [data.object.id, data.object]))(
    'invoice %s reads the same in the shapes of both generations',
    (_, invoice) => {
      expect(readInvoice(asAcacia(invoice))).toEqual(readInvoice(asBasil(invoice)));
      expect(readInvoice(invoice)).toEqual(readInvoice(asBasil(invoice)));
    },
  );
});

describe.skipIf(folder === undefined)('captured events', () => {
  afterEach(() => stage.close());

  test('as they are, all end in a clear state and none grants', async () => {
    stage = await startStripeStage();
    for (const event of [...events, ...objects, ...events]) await stage.deliver(event);
    expect(await stage.db.sql('SELECT 1 FROM credit_ledger')).toEqual([]);
    await expectClearStates([...events, ...objects]);
    const wrong = [...events, ...invoices].filter(isIgnoredOfStrangers);
    for (const event of wrong)
      expect((await stage.stored(event))?.state, event.type).toBe('ignored');
  });

  test.each([1, 2, 3])(
    'twice each, in the shuffled order of seed %i: clear states, and no payment grants twice',
    async (seed) => {
      const ours = [...events, ...objects].map(inTestMode);
      const deliveries = ours.flatMap((event) => [event, event, again(event)]);
      const order = fc.shuffledSubarray(deliveries, { minLength: deliveries.length });
      const [shuffled = []] = fc.sample(order, { numRuns: 1, seed });
      stage = await startStripeStage({ catalogue: catalogueOf(ours.filter(isInvoice)) });
      await mapUsers(ours.filter(({ data }) => typeof data.object.customer === 'string'));
      for (const event of shuffled) await stage.deliver(event);
      await expectClearStates(ours);
      const granted = await stage.db.sql<{ payment: string; credits: number }>(
        `SELECT payment, sum(delta)::int AS credits
           FROM credit_ledger WHERE reverses_seq IS NULL GROUP BY payment`,
      );
      const paid = ours
        .filter(({ type }) => type === 'invoice.paid')
        .map(({ data }) => data.object);
      const expected = paid.map((invoice) => [invoice.id, creditsOf(invoice)] as const);
      expect(new Map(granted.map(({ payment, credits }) => [payment, credits]))).toEqual(
        new Map(expected.filter(([, credits]) => credits > 0)),
      );
      expect(await verifyLedger(stage.db.pool)).toMatchObject({ faults: [] });
    },
  );

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
    stage.fake.createSession({ id: object.id, lines: [{ price: 'price_pack', quantity: 4 }] });
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
function load(from: string): { events: Raw[]; objects: Raw[] } {
  const files = readdirSync(join(from, 'events')).filter((name) => name.endsWith('.json'));
  const events = files.map((name, i) => ({
    ...JSON.parse(readFileSync(join(from, 'events', name), 'utf8')),
    id: `evt_captured_${i}`,
  }));
  const lines = readFileSync(join(from, 'objects.ndjson'), 'utf8').trim().split('\n');
  const objects = lines
    .map((line) => JSON.parse(line))
    .map(({ api_version, object }, i) => ({
      id: `evt_wrapped_${i}`,
      object: 'event',
      api_version,
      created: object.created ?? 1_700_000_000,
      livemode: false,
      type: typeOf(object),
      data: { object },
    }));
  return { events, objects };
}

/** The event in which Stripe would send such an object. */
function typeOf({ object, amount_refunded: refunded }: Raw): string {
  switch (object) {
    case 'invoice':
      return 'invoice.paid';
    case 'invoice_payment':
      return 'invoice_payment.paid';
    case 'checkout.session':
      return 'checkout.session.completed';
    case 'charge':
      return refunded > 0 ? 'charge.refunded' : 'charge.succeeded';
    case 'subscription':
      return 'customer.subscription.updated';
    default:
      return `${object}.updated`;
  }
}

/** Done, ignored or parked, the last two with a reason; a duplicate changes nothing of it. */
async function expectClearStates(all: Raw[]): Promise<void> {
  const rows = await stage.db.sql<{ id: string; state: string; reason: string | null }>(
    'SELECT id, state, reason FROM stripe_events',
  );
  const states = new Map(rows.map((row) => [row.id, row]));
  for (const { id, type } of all) {
    const { state, reason } = states.get(id) ?? {};
    expect(state, `${type} ${id}`).toMatch(/^(done|ignored|parked)$/);
    if (state !== 'done') expect(reason, `${type} ${id}`).toMatch(/\w/);
    expect(reason ?? '', `${type} ${id}`).not.toMatch(/attempt failed/);
  }
}

const isInvoice = ({ data }: Raw) => data.object.object === 'invoice' && 'lines' in data.object;

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

/** What can have no effect here: other people's live events, and types without credits. */
function isIgnoredOfStrangers({ type, livemode, data: { object } }: Raw): boolean {
  if (livemode) return true;
  if (type === 'invoice.paid') return object.status !== 'paid' || !subscriptionOf(object);
  return !/^(checkout|invoice_payment|customer\.deleted|refund|charge\.refund|charge\.dispute|credit_note)/.test(
    type,
  );
}

/** The invoice as an endpoint of 2025-02-24.acacia would get it. */
function asAcacia({ parent, payments, ...invoice }: Raw): Raw {
  const details = parent?.subscription_details;
  const payment = payments?.data[0]?.payment;
  return {
    ...invoice,
    subscription: invoice.subscription ?? details?.subscription ?? null,
    subscription_details: invoice.subscription_details ?? details ?? null,
    payment_intent: invoice.payment_intent ?? payment?.payment_intent ?? null,
    charge: invoice.charge ?? payment?.charge ?? null,
    lines: { ...invoice.lines, data: invoice.lines.data.map(lineAsAcacia) },
  };
}

function lineAsAcacia({ parent, pricing, ...line }: Raw): Raw {
  const details = parent?.subscription_item_details ?? parent?.invoice_item_details;
  const price = pricing?.price_details?.price;
  return {
    ...line,
    proration: line.proration ?? details?.proration ?? false,
    price: line.price ?? (price ? { id: price } : null),
  };
}

/** The invoice as an endpoint of 2025-03-31.basil or later would get it, payments expanded. */
function asBasil({
  subscription,
  subscription_details,
  payment_intent,
  charge,
  ...invoice
}: Raw): Raw {
  const details = subscription && {
    subscription,
    metadata: subscription_details?.metadata ?? subscription.metadata ?? null,
  };
  const paid = { status: 'paid', payment: { type: 'payment_intent', payment_intent, charge } };
  return {
    ...invoice,
    parent:
      invoice.parent ??
      (details && { type: 'subscription_details', subscription_details: details }),
    payments: invoice.payments ?? { data: payment_intent || charge ? [paid] : [] },
    lines: { ...invoice.lines, data: invoice.lines.data.map(lineAsBasil) },
  };
}

function lineAsBasil({ price, plan, proration, ...line }: Raw): Raw {
  const { id } = price ?? plan ?? {};
  return {
    ...line,
    parent: line.parent ?? { invoice_item_details: { proration }, subscription_item_details: null },
    pricing: line.pricing ?? (id ? { price_details: { price: id } } : null),
  };
}
