import { describe, expect, test } from 'vitest';
import { buyPack } from '../support/reconcile.ts';
import {
  balances,
  database,
  fake,
  reconcile,
  useReconcileCommand,
} from '../support/reconcile-command.ts';
import { publishPrices } from '../support/stripe.ts';

useReconcileCommand();

test('--accept ends what nothing shall be done about, and keeps who said so and why', async () => {
  const { session } = buyPack({ fake }, { price: 'price_unknown' });
  fake.advance(31 * 86_400);
  const accept = () => reconcile('--accept', session, '--why', 'a gift', '--by', 'alice');
  expect(await accept()).toMatchObject({
    ...{ code: 1, stdout: '' },
    stderr: `${session}: no run with --apply has left anything about it.\n`,
  });
  expect(await reconcile('--apply')).toMatchObject({ code: 1 });
  expect(await accept()).toMatchObject({
    code: 0,
    stdout: `${session} is accepted.\n`,
    stderr: '',
  });
  expect(await database.sql('SELECT object, note FROM stripe_findings')).toEqual([
    { object: session, note: 'accepted by alice: a gift' },
  ]);
  for (const args of [['--apply'], []]) {
    const { code, stdout } = await reconcile(...args);
    expect(stdout).toContain('Stripe and the ledger agree.');
    expect(code).toBe(0);
  }
});

describe('what was accepted', () => {
  /** A payment of an unknown price, which somebody accepted. */
  async function accepted() {
    const { session, userId } = buyPack({ fake }, { price: 'price_unknown' });
    fake.advance(31 * 86_400);
    await reconcile('--apply');
    await reconcile('--accept', session, '--why', 'a gift', '--by', 'alice');
    return { session, userId };
  }

  test('is told again when it is not what it was, and not repaired before somebody says so', async () => {
    const { session, userId } = await accepted();
    await publishPrices(database, new Map([['price_unknown', 100]]));
    const told = expect.stringContaining(`user ${userId}, 100 usd, 100 credits missing`);
    for (const args of [[], ['--apply'], ['--apply', '--since', '0m']]) {
      expect(await reconcile(...args)).toMatchObject({ code: 1, stdout: told });
    }
    expect((await reconcile('--apply')).stdout).toContain(
      'NOT REPAIRED: nothing: it has changed since it was accepted\n',
    );
    expect(await balances()).toEqual([]);
    expect((await reconcile('--accepted')).stdout).toContain('    it has changed since: its event');
    await reconcile('--accept', session, '--why', 'still a gift');
    expect(await reconcile('--apply')).toMatchObject({ code: 0 });
    expect(await balances()).toEqual([]);
  });

  test('stays accepted when it is again what it was', async () => {
    const { session } = await accepted();
    const { paymentIntent } = fake.store.need('checkout.session', session);
    const record = fake.store.need('payment_intent', String(paymentIntent));
    fake.store.save({ ...record, amountReceived: record.amountReceived - 1 });
    expect(await reconcile('--apply')).toMatchObject({ code: 1 });
    fake.store.save(record);
    expect(await reconcile('--apply')).toMatchObject({ code: 0 });
    expect((await reconcile('--accepted')).stdout).not.toContain('it has changed since');
  });

  test('is listed, with who accepted it and why', async () => {
    expect(await reconcile('--accepted')).toMatchObject({
      ...{ code: 0, stdout: 'Nothing is accepted.\n' },
    });
    expect((await reconcile('--accepted', '--json')).stdout).toBe('[]\n');
    const { session, userId } = await accepted();
    const { code, stdout } = await reconcile('--accepted');
    expect(code).toBe(0);
    expect(stdout.replaceAll(/[\d-]+T[\d:]+Z/g, '<when>').split('\n')).toEqual([
      ...[`paid-but-not-granted  ${session}`, `    user ${userId}, 100 usd, <when>`],
      '    its event never arrived; unknown price price_unknown',
      ...['    <when>, accepted by alice: a gift', ''],
    ]);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(JSON.parse((await reconcile('--accepted', '--json')).stdout)).toEqual([
      {
        ...{ what: 'paid-but-not-granted', object: session, user: userId },
        ...{ amount: 100, currency: 'usd', credits: null, when: time },
        why: 'its event never arrived; unknown price price_unknown',
        ...{ accepted_at: time, note: 'accepted by alice: a gift', changed: false },
      },
    ]);
  });

  test('is off again once --unaccept says so, and then repaired', async () => {
    const { session, userId } = await accepted();
    const unaccept = () => reconcile('--unaccept', session);
    expect(await unaccept()).toMatchObject({
      ...{ code: 0, stdout: `${session} is accepted no more.\n`, stderr: '' },
    });
    expect(await unaccept()).toMatchObject({
      ...{ code: 1, stdout: '', stderr: `${session}: nothing about it is accepted.\n` },
    });
    expect(await reconcile('--apply')).toMatchObject({ code: 1 });
    await publishPrices(database, new Map([['price_unknown', 100]]));
    expect(await reconcile('--apply')).toMatchObject({ code: 0 });
    expect(await balances()).toEqual([{ user_id: userId, balance: 100 }]);
  });
});
