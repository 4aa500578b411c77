import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyLedger } from '../../../src/ledger/read/verify.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';
import { payTwo } from './shared-intent.ts';

// A payment intent may be attached to several invoices; which of them a refund of it is for, only a
// credit note tells: without one it is spread over them all.

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage();
});
afterAll(async () => {
  expect(await verifyLedger(stage.db.pool)).toMatchObject({ faults: [] });
  await stage.close();
});

/** The keys under which the payments of these names may be granted. */
const keysOf = (...names: unknown[]) =>
  stage.db.sql(
    'SELECT DISTINCT payment FROM stripe_payment_aliases WHERE alias = ANY($1::text[])',
    [names],
  );

const tales = fc.record({
  order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
  shapes: fc.infiniteStream(fc.constantFrom('current' as const, 'acacia' as const)),
});

test('each gives its credits, and what goes back is taken of all, however it is told', async () => {
  let told = 0;
  await fc.assert(
    fc.asyncProperty(tales, async ({ order, shapes }) => {
      told += 1;
      const userId = `ivo-${told}`;
      const { first, second, paymentIntent } = payTwo(stage, userId);
      const events = [first.paid, first.named, second.paid, second.named];
      for (const { id } of order.flatMap((i) => events[i] ?? [])) {
        await stage.deliver(stage.fake.inShape({ id }, shapes.next().value));
      }
      expect(await stage.leftOfGrants(userId)).toEqual([1000, 1000]);
      const refunded = stage.fake.refundPayment(paymentIntent, { amount: 500 });
      for (const event of refunded.events) await stage.deliver(event);
      expect(await stage.leftOfGrants(userId)).toEqual([750, 750]);
    }),
    { numRuns: 40 },
  );
});

test('each keeps its own name, and all of it is done', async () => {
  const { first, second, paymentIntent } = payTwo(stage, 'ivy');
  const [one, other] = [first.paid.data.object.id, second.paid.data.object.id];
  for (const { named, paid } of [first, second]) {
    for (const event of [named, paid]) expect(await stage.deliver(event)).toBe('done');
  }
  expect(await keysOf(one, paymentIntent)).toEqual([{ payment: one }]);
  expect(await keysOf(other)).toEqual([{ payment: other }]);
});

test('what an earlier release joined is parted and granted when it is attempted again', async () => {
  const { first, second } = payTwo(stage, 'ines');
  const [one, other] = [first.paid.data.object.id, second.paid.data.object.id];
  for (const event of [first.paid, first.named]) await stage.deliver(event);
  await stage.db.sql('INSERT INTO stripe_payment_aliases (alias, payment) VALUES ($1, $2)', [
    ...[other, one],
  ]);
  expect(await stage.deliver(second.paid)).toBe('done');
  expect(await stage.stored(second.paid)).toMatchObject({ reason: null });
  expect(await stage.leftOfGrants('ines')).toEqual([1000, 1000]);
  expect(await keysOf(other)).toEqual([{ payment: other }]);
});

test('its refund is theirs, though only Stripe knows that it paid them', async () => {
  const { first, second, paymentIntent } = payTwo(stage, 'ilse');
  for (const { paid } of [first, second]) await stage.deliver(paid);
  const [refunded] = stage.fake.refundPayment(paymentIntent, { amount: 500 }).events;
  if (!refunded) throw new Error('nothing told of the refund');
  expect(await stage.deliver({ ...refunded })).toBe('done');
  expect(await stage.leftOfGrants('ilse')).toEqual([750, 750]);
});

test('it has paid the one whose invoice payment is not canceled', async () => {
  const { first, second, paymentIntent } = payTwo(stage, 'ilja');
  const { store } = stage.fake;
  const canceled = store.need('invoice_payment', second.named.data.object.id);
  store.save({ ...canceled, status: 'canceled' });
  for (const { paid } of [first, second]) await stage.deliver(paid);
  const { events } = stage.fake.refundPayment(paymentIntent, { amount: 500 });
  for (const event of events) await stage.deliver(event);
  expect(await stage.leftOfGrants('ilja')).toEqual([500, 1000]);
});

/** An invoice that Stripe says was paid by these. */
interface Tale {
  readonly invoice: number;
  /** Numbers of payment intents, the first with its charge in the older shape. */
  readonly intents: readonly number[];
  readonly shape: 'older' | 'expanded';
  /** Whether a charge that no payment intent made is among them. */
  readonly direct: boolean;
}

const paidInvoices = fc.array(
  fc.record<Tale>({
    invoice: fc.nat(3),
    intents: fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 3 }),
    shape: fc.constantFrom('older', 'expanded'),
    direct: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);

test('a name never moves away from the invoice that it paid first, whatever else is told', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(paidInvoices, async (tales) => {
      run += 1;
      const { fake } = stage;
      const about = { userId: `ida-${run}`, subscription: `sub_ida_${run}` };
      const lines = [{ price: 'price_plan', unitAmount: 1000 }];
      const invoices = Array.from({ length: 4 }, () => fake.payInvoice({ ...about, lines }));
      const owners = new Map<string, string>();
      const own = (name: string, owner: string) => owners.set(name, owners.get(name) ?? owner);
      for (const [n, { invoice, intents, shape, direct }] of tales.entries()) {
        const paid = invoices[invoice];
        if (!paid) throw new Error(`there is no invoice ${invoice}`);
        const key = paid.data.object.id;
        const [first = '', ...more] = intents.map((i) => `pi_${run}_${i}`);
        const charge = first.replace('pi_', 'ch_');
        const single = `ch_${run}_of_${invoice}`;
        const payments = [
          ...[first, ...more].map((id) => ({ type: 'payment_intent', payment_intent: id })),
          ...(direct ? [{ type: 'charge', charge: single }] : []),
        ].map((payment) => ({ status: 'paid', payment }));
        const object = {
          ...paid.data.object,
          ...(shape === 'older' && { payment_intent: first, charge }),
          ...(shape === 'expanded' && { payments: { object: 'list', data: payments } }),
        };
        await stage.deliver({ ...paid, id: `${paid.id}_${n}`, data: { object } } as typeof paid);
        own(key, key);
        for (const intent of shape === 'older' ? [first] : [first, ...more]) own(intent, key);
        if (shape === 'older') own(charge, owners.get(first) ?? key);
        if (shape === 'expanded' && direct) own(single, key);
      }
      const rows = await stage.db.sql<{ alias: string; payment: string }>(
        'SELECT alias, payment FROM stripe_payment_aliases WHERE alias = ANY($1::text[])',
        [[...owners.keys()]],
      );
      expect(new Map(rows.map(({ alias, payment }) => [alias, payment]))).toEqual(owners);
    }),
    { numRuns: 60 },
  );
});

test('a refund takes the credits of the invoice that its own payment intent paid', async () => {
  const { fake } = stage;
  const about = { userId: 'ike', customer: 'cus_ike' };
  const pay = (subscription: string) => {
    const lines = [{ price: 'price_plan', unitAmount: 1000 }];
    return fake.payInvoice({ ...about, subscription, lines });
  };
  const [first, second] = [pay('sub_ike_1'), pay('sub_ike_2')];
  const intentOf = ({ data }: typeof first) =>
    String(fake.store.need('invoice', data.object.id).paymentIntent);
  const payments = [first, second].map((paid) => ({
    status: 'paid',
    payment: { type: 'payment_intent', payment_intent: intentOf(paid) },
  }));
  const named = fake.events().filter(({ type }) => type === 'invoice_payment.paid');
  for (const event of [first, second, ...named.slice(-2)]) await stage.deliver({ ...event });
  const object = { ...second.data.object, payments: { object: 'list', data: payments } };
  await stage.deliver({ ...second, id: `${second.id}_again`, data: { object } } as typeof second);
  for (const event of fake.refundPayment(intentOf(second)).events) await stage.deliver(event);
  expect(await stage.leftOfGrants('ike')).toEqual([1000, 0]);
});

test.each([
  ['refund and note after both payments', ['paid', 'back']],
  ['the note before its refund', ['paid', 'kcab']],
  ['both before the payments', ['back', 'paid']],
])('a credit note tells for which invoice its refund is: %s', async (name, order) => {
  const userId = `isa ${name}`;
  const { first, second } = payTwo(stage, userId);
  const paid = [first.named, first.paid, second.named, second.paid];
  const { events } = stage.fake.issueCreditNote(String(second.paid.data.object.id), {
    amount: 500,
  });
  const told = { paid, back: events, kcab: events.toReversed() };
  for (const which of order) {
    for (const event of told[which as keyof typeof told]) await stage.deliver({ ...event });
  }
  expect(await stage.leftOfGrants(userId)).toEqual([1000, 500]);
});
