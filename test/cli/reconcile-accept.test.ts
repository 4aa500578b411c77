import { describe, expect, test } from 'vitest';
import { runPurser } from '../support/process.ts';
import { buyPack, writeInvoice } from '../support/reconcile.ts';
import {
  balances,
  database,
  env,
  fake,
  reconcile,
  useReconcileCommand,
} from '../support/reconcile-command.ts';
import { publishPrices } from '../support/stripe.ts';

useReconcileCommand();

/** The mark that a run which repairs tells of an object. */
async function seen(object: string): Promise<string> {
  const { stdout } = await reconcile('--apply');
  return new RegExp(`--accept ${object} --seen ([0-9a-f]{8}) --why`).exec(stdout)?.[1] ?? '';
}

const accept = (object: string, mark: string, why = 'a gift') =>
  reconcile('--accept', object, '--seen', mark, '--why', why, '--by', 'alice');

test('--accept ends what nothing shall be done about, and keeps who said so and why', async () => {
  const { session } = buyPack({ fake }, { price: 'price_unknown' });
  fake.advance(31 * 86_400);
  expect(await accept(session, '00000000')).toMatchObject({
    ...{ code: 1, stdout: '' },
    stderr: `${session}: no run with --apply has left anything about it.\n`,
  });
  const mark = await seen(session);
  expect(await accept(session, mark)).toMatchObject({
    code: 0,
    stdout: `${session} is accepted.\n`,
    stderr: '',
  });
  const again = await accept(session, mark);
  expect(again).toMatchObject({ code: 1, stdout: '' });
  expect(again.stderr).toContain(`${session} is accepted already:\n\npaid-but-not-granted  cs_`);
  expect(again.stderr).toContain('Z, accepted by alice: a gift\n');
  expect(await database.sql('SELECT object, note FROM stripe_findings')).toEqual([
    { object: session, note: 'accepted by alice: a gift' },
  ]);
  for (const args of [['--apply'], []]) {
    const { code, stdout } = await reconcile(...args);
    expect(stdout).toContain('Stripe and the ledger agree.');
    expect(code).toBe(0);
  }
});

test('--accept takes only what was seen, and says what there is', async () => {
  const { session } = buyPack({ fake }, { price: 'price_unknown' });
  fake.advance(31 * 86_400);
  const before = await seen(session);
  const { code, stderr } = await reconcile('--accept', session, '--why', 'a gift');
  expect(code).toBe(1);
  expect(stderr.replace(/[\d-]+T[\d:]+Z/, '<when>').split('\n')).toEqual([
    ...[`${session}: say what you have seen; this is left:`, ''],
    ...[
      `paid-but-not-granted  ${session}`,
      expect.stringMatching(/^ {4}user .*, 100 usd, <when>$/),
    ],
    '    its event never arrived; unknown price price_unknown',
    ...[`    to leave it: --accept ${session} --seen ${before} --why …`, ''],
  ]);
  const { paymentIntent } = fake.store.need('checkout.session', session);
  const record = fake.store.need('payment_intent', String(paymentIntent));
  fake.store.save({ ...record, amountReceived: record.amountReceived - 1 });
  const now = await seen(session);
  expect(await accept(session, before)).toMatchObject({
    ...{ code: 1, stdout: '' },
    stderr: expect.stringContaining(`${session}: it is not what you have seen; this is left:\n`),
  });
  expect(await accept(session, now)).toMatchObject({ code: 0 });
});

test('--accept takes what could not be looked at, by the mark that is told of it', async () => {
  const { id } = writeInvoice({ fake }, 'consulting', 12);
  fake.advance(31 * 86_400);
  fake.setFault({ kind: 'error', status: 403, path: `/v1/invoices/${id}/lines` });
  const { unseen } = JSON.parse((await reconcile('--apply', '--json')).stdout);
  expect(unseen).toMatchObject([{ what: 'paid-but-not-granted', object: id, code: 'unanswered' }]);
  const { stdout } = await reconcile('--apply');
  expect(stdout).toContain(`NOT COMPLETE: ${id}: `);
  const mark = new RegExp(`\nto leave it: --accept ${id} --seen ([0-9a-f]{8}) --why`).exec(
    stdout,
  )?.[1];
  expect(mark).toBe(unseen[0].mark);
  expect(await accept(id, mark ?? '')).toMatchObject({ code: 0 });
  expect(await reconcile('--apply')).toMatchObject({ code: 0 });
});

describe('the event of a payment that was accepted', () => {
  /** A payment of an unknown price, whose event is parked. */
  async function parked() {
    const { session, userId, events } = buyPack({ fake }, { price: 'price_unknown' });
    const { id = '' } = events.find(({ type }) => type === 'checkout.session.completed') ?? {};
    return { session, userId, id, mark: await seen(session) };
  }
  const event = async (id: string) =>
    (await database.sql(`SELECT state, reason FROM stripe_events WHERE id = '${id}'`))[0];

  test('is ignored for that reason, and grants nothing when its cause goes away', async () => {
    const { session, id, mark } = await parked();
    expect(await event(id)).toMatchObject({ state: 'parked' });
    const stdout = `${session} is accepted.\n${id} is ignored.\n`;
    expect(await accept(session, mark)).toMatchObject({ code: 0, stdout });
    const ignored = { state: 'ignored', reason: 'accepted by alice: a gift' };
    expect(await event(id)).toEqual(ignored);
    expect(await reconcile('--apply')).toMatchObject({ code: 0 });
    await publishPrices(database, new Map([['price_unknown', 100]]));
    expect(await reconcile('--apply')).toMatchObject({ code: 1 });
    expect(await event(id)).toEqual(ignored);
    expect(await balances()).toEqual([]);
    await accept(session, await seen(session), 'still a gift');
    expect(await event(id)).toEqual({ ...ignored, reason: 'accepted by alice: still a gift' });
  });

  test('is due again once --unaccept says so', async () => {
    const { session, userId, id, mark } = await parked();
    await accept(session, mark);
    await publishPrices(database, new Map([['price_unknown', 100]]));
    const stdout = `${session} is accepted no more.\n${id} is due.\n`;
    expect(await reconcile('--unaccept', session)).toMatchObject({ code: 0, stdout });
    expect(await reconcile('--apply')).toMatchObject({ code: 0 });
    expect(await event(id)).toMatchObject({ state: 'done' });
    expect(await balances()).toEqual([{ user_id: userId, balance: 100 }]);
  });

  test('that somebody ignored is accepted by that, until --unaccept', async () => {
    const { session, id, mark } = await parked();
    await runPurser(['events', 'ignore', id, '--why', 'not ours', '--by', 'bob'], { env });
    const again = await accept(session, mark);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(`${session} is accepted already:`);
    expect(again.stderr).toContain('ignored by bob: not ours');
    const stdout = `${session} is accepted no more.\n${id} is due.\n`;
    expect(await reconcile('--unaccept', session)).toMatchObject({ code: 0, stdout });
    expect(await event(id)).toMatchObject({ state: 'received' });
  });
});

describe('what was accepted', () => {
  /** A payment of an unknown price, which somebody accepted. */
  async function accepted() {
    const { session, userId } = buyPack({ fake }, { price: 'price_unknown' });
    fake.advance(31 * 86_400);
    await accept(session, await seen(session));
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
      `NOT REPAIRED: it has changed since it was accepted\n    to leave it: --accept ${session} `,
    );
    expect((await reconcile('--apply')).stdout).toContain(
      `\n    to leave it no more: --unaccept ${session}\n`,
    );
    expect(await balances()).toEqual([]);
    expect((await reconcile('--accepted')).stdout).toContain('    it has changed since: its event');
    await accept(session, await seen(session), 'still a gift');
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
        ...{ what: 'paid-but-not-granted', code: 'unknown_price', object: session, user: userId },
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
