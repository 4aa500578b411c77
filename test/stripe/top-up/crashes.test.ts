import { expect, test } from 'vitest';
import type { Fault } from '../../../packages/fake-stripe/src/faults.ts';
import { createReconciler } from '../../../src/stripe/reconcile/reconcile.ts';
import {
  afterLease,
  attemptsOf,
  deliverAll,
  optIn,
  paidInvoicesOf,
  put,
  remove,
  shop,
  spend,
  useShop,
} from './harness.ts';

useShop();

// Carried out, and nobody learns of it, the client's own repeat included: as when the server is
// killed before it has written down what Stripe answered.
const LOST = { kind: 'reset', method: 'POST', after: true, times: 2 } as const;
const OF_INVOICE = '/v1/invoices/in_';

const STEPS: readonly (readonly [string, readonly Fault[]])[] = [
  ['the draft', [{ ...LOST, path: '/v1/invoices' }]],
  ['its line', [{ ...LOST, path: '/v1/invoiceitems' }]],
  ['its end as a draft', [{ ...LOST, path: OF_INVOICE }]],
  // The first request is the one before.
  [
    'the charge',
    [
      { kind: 'slow', ms: 0, times: 1, path: OF_INVOICE },
      { ...LOST, path: OF_INVOICE },
    ],
  ],
];

test.each(STEPS)(
  'when the answer to %s is lost, the repeat is the same charge',
  async (what, faults) => {
    const user = `ada-${what}`;
    await optIn(user);
    shop.fake.setFault(faults);
    await spend(user, 100);
    await shop.sweepTopUps();
    shop.fake.setFault(null);
    expect(await attemptsOf(user)).toEqual([{ state: 'open', reason: null }]);
    const other = await shop.another();
    await afterLease(user);
    await Promise.all([shop.sweepTopUps(), other.sweepTopUps()]);
    await deliverAll();
    await Promise.all([shop.sweepTopUps(), other.sweepTopUps()]);
    expect(await paidInvoicesOf(user)).toHaveLength(1);
    expect(await shop.balanceOf(user)).toBe(550);
    await other.close();
  },
);

test('who was killed after the charge leaves an attempt that is taken up and charges nothing', async () => {
  await optIn('bob');
  await spend('bob', 100);
  await shop.sweepTopUps();
  await shop.database.sql(
    `UPDATE auto_top_up_attempts SET state = 'open', leased_until = now() WHERE user_id = 'bob'`,
  );
  await shop.sweepTopUps();
  await deliverAll();
  expect(await paidInvoicesOf('bob')).toHaveLength(1);
  expect(await shop.balanceOf('bob')).toBe(550);
});

test('while Stripe is away nothing is charged, and one top-up once it is back', async () => {
  await optIn('cyd');
  shop.fake.setFault({ kind: 'error', status: 500 });
  await spend('cyd', 100);
  await shop.sweepTopUps();
  shop.fake.setFault(null);
  expect(await paidInvoicesOf('cyd')).toEqual([]);
  const other = await shop.another();
  await afterLease('cyd');
  await other.sweepTopUps();
  await deliverAll();
  expect(await paidInvoicesOf('cyd')).toHaveLength(1);
  expect(await shop.balanceOf('cyd')).toBe(550);
  await other.close();
});

test('when its event is lost, nothing else is charged, and reconciling brings the credits', async () => {
  await optIn('dan');
  await spend('dan', 100);
  for (let i = 0; i < 3; i++) await shop.sweepTopUps();
  const requests = shop.fake.requests();
  await afterLease('dan');
  await shop.sweepTopUps();
  expect(shop.fake.requests()).toBe(requests);
  const { database, processing, app } = shop;
  const reconciler = createReconciler({
    ...{ pool: database.pool, processing, livemode: false, log: app.log },
  });
  const report = await reconciler.run({ apply: true, since: null });
  expect(report?.left).toBe(0);
  expect(await shop.balanceOf('dan')).toBe(550);
  await shop.sweepTopUps();
  await deliverAll();
  expect(await shop.balanceOf('dan')).toBe(550);
  expect(await paidInvoicesOf('dan')).toHaveLength(1);
});

test.each(STEPS.slice(0, 3))(
  'who switches it off when the answer to %s was lost is not charged later',
  async (what, faults) => {
    const user = `eve-${what}`;
    const other = await shop.another();
    await optIn(user);
    shop.fake.setFault(faults);
    await spend(user, 100);
    await shop.sweepTopUps();
    shop.fake.setFault(null);
    await remove(user);
    await afterLease(user);
    await other.sweepTopUps();
    expect(await attemptsOf(user)).toEqual([{ state: 'failed', reason: 'switched_off' }]);
    expect(await paidInvoicesOf(user)).toEqual([]);
    await other.close();
    // That was no failure of the card's.
    expect((await put(user)).body.data.retry_at).toBeNull();
    await expect.poll(() => paidInvoicesOf(user)).toHaveLength(1);
    await deliverAll();
  },
);

test('an attempt that cannot be carried out holds up nobody else', async () => {
  for (const user of ['fay', 'gus']) await optIn(user);
  const other = await shop.another();
  shop.fake.setFault({ kind: 'error', status: 500 });
  await spend('fay', 100);
  await shop.sweepTopUps();
  shop.fake.setFault(null);
  await spend('gus', 100, other);
  await afterLease('fay');
  await shop.database.sql(
    "ALTER TABLE purchase_intents ADD CONSTRAINT not_fay CHECK (user_id <> 'fay') NOT VALID",
  );
  await other.sweepTopUps();
  expect(await paidInvoicesOf('gus')).toHaveLength(1);
  await shop.database.sql('ALTER TABLE purchase_intents DROP CONSTRAINT not_fay');
  await afterLease('fay');
  await other.sweepTopUps();
  expect(await paidInvoicesOf('fay')).toHaveLength(1);
  await deliverAll();
  await other.close();
});
