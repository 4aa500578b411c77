import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startFakeStripe } from '../src/fake-stripe.ts';
import { clientOf } from './support.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fake-stripe-'));
  file = join(folder, 'stripe.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('a restart knows what was sold, goes on with it, and opens the shop once', async () => {
  const first = await startFakeStripe({ file, shop: true });
  const { object, events } = first.subscribe({ price: 'price_monthly', userId: 'ada' });
  const open = first.createSession({ lines: [{ price: 'price_starter' }] });
  await first.stop();
  expect((await stat(file)).mode & 0o777).toBe(0o600);

  const second = await startFakeStripe({ file, shop: true });
  const client = clientOf(second);
  expect((await client.prices.list()).data).toHaveLength(3);
  expect((await client.events.list({ limit: 100 })).data.map(({ id }) => id)).toEqual(
    expect.arrayContaining(events.map(({ id }) => id)),
  );
  const session = await client.checkout.sessions.retrieve(open.id);
  expect(session.url).toBe(`${second.url}/c/pay/${open.id}`);
  expect(second.renewSubscription(object.id).object['status']).toBe('active');
  await second.stop();
});

test('a change is on disk soon, without a stop', async () => {
  const fake = await startFakeStripe({ file });
  fake.createCustomer({ email: 'ada@x.example' });
  await expect.poll(() => readFile(file, 'utf8').catch(() => '')).toContain('ada@x.example');
  await fake.stop();
});

test('a second one beside it leaves the file alone, and a file that is broken is no obstacle', async () => {
  await writeFile(file, '{"records": [');
  const first = await startFakeStripe({ file });
  const second = await startFakeStripe({ file });
  first.createCustomer({ email: 'first@x.example' });
  second.createCustomer({ email: 'second@x.example' });
  await first.stop();
  await second.stop();
  const kept = await readFile(file, 'utf8');
  expect(kept).toContain('first@x.example');
  expect(kept).not.toContain('second@x.example');
  await writeFile(`${file}.lock`, '999999999');
  const third = await startFakeStripe({ file });
  expect((await clientOf(third).customers.list()).data).toHaveLength(1);
  await third.stop();
});
