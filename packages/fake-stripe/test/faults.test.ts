import { Stripe } from 'stripe';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../src/fake-stripe.ts';
import { clientOf } from './support.ts';

let fake: FakeStripe;
beforeEach(async () => {
  fake = await startFakeStripe();
});
afterEach(() => fake.stop());

test('it fails, dawdles, falls silent and hangs up when it is told to', async () => {
  const ask = () => clientOf(fake, { timeout: 100 }).accounts.retrieveCurrent();
  for (const status of [500, 429, 503]) {
    fake.setFault({ kind: 'error', status });
    await expect(ask()).rejects.toMatchObject({ statusCode: status });
  }
  for (const fault of [
    { kind: 'silence' },
    { kind: 'slow', ms: 60_000 },
    { kind: 'reset' },
  ] as const) {
    fake.setFault(fault);
    await expect(ask()).rejects.toBeInstanceOf(Stripe.errors.StripeConnectionError);
  }
  fake.setFault(null);
  expect((await ask()).id).toBe('acct_sim_1');
});

test('a fault hits the requests that it names, as often as it says', async () => {
  const client = clientOf(fake);
  fake.setFault([
    { kind: 'error', status: 500, path: '/v1/refunds' },
    { kind: 'error', status: 503, method: 'POST', path: '/v1/customers', times: 2 },
  ]);
  await expect(client.refunds.list()).rejects.toMatchObject({ statusCode: 500 });
  expect((await client.customers.list()).data).toEqual([]);
  for (let i = 0; i < 2; i++) {
    await expect(client.customers.create({})).rejects.toMatchObject({ statusCode: 503 });
  }
  expect((await client.customers.create({})).id).toMatch(/^cus_/);
});

test('an Idempotency-Key that is in use is refused, until its request is done', async () => {
  const client = clientOf(fake);
  const create = () => client.customers.create({}, { idempotencyKey: 'slow' });
  fake.setFault({ kind: 'slow', ms: 200, times: 1 });
  const first = create();
  await expect.poll(() => fake.requests()).toBe(1);
  await expect(create()).rejects.toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' });
  const { id } = await first;
  expect((await create()).id).toBe(id);
});

test.each([{ kind: 'reset' }, { kind: 'error', status: 500 }, { kind: 'silence' }] as const)(
  'a write that failed only for the client ($kind) is done once by its retry',
  async (fault) => {
    const client = clientOf(fake, { maxNetworkRetries: 2, timeout: 200 });
    fake.setFault({ ...fault, after: true, times: 1 });
    const { id } = await client.customers.create({ email: 'once@x.example' });
    const { data } = await client.customers.list();
    expect(data.map((customer) => customer.id)).toEqual([id]);
    expect(fake.requests()).toBe(3);
  },
);
