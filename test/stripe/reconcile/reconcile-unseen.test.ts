import { describe, expect, test } from 'vitest';
import { isInOrder } from '../../../src/stripe/reconcile/report.ts';
import {
  buyLongAgo,
  buyPack,
  disputeLongAgo,
  forgetEvents,
  passBy,
  reconcileOn,
  stage,
  useReconcileStage,
  writeInvoice,
} from '../../support/reconcile.ts';
import { publishPrices } from '../../support/stripe.ts';

useReconcileStage();

/** A run that repairs, and asks for at most so many one by one; as many as usual by default. */
const apply = (inTurn?: number) =>
  reconcileOn(stage, { apply: true, ...(inTurn !== undefined && { inTurn }) });

const fail = (path: string) => stage.fake.setFault({ kind: 'error', status: 500, path });
const problemOf = (object: string) => `${object}: Stripe's API cannot be reached`;
const cursor = async () =>
  (await stage.db.sql('SELECT objects_seen_until AS until FROM stripe_reconcile'))[0];

describe('one object for which Stripe has no answer, run after run', () => {
  test('holds up no payment that granted, and is asked for again until Stripe answers', async () => {
    const [broken, , last] = [
      await buyLongAgo(stage),
      await buyLongAgo(stage),
      await buyLongAgo(stage),
    ];
    forgetEvents(stage);
    fail(`/v1/checkout/sessions/${broken.session}`);
    broken.setPaid(false);
    last.setPaid(false);
    const unpaid = { kind: 'granted-but-not-paid', object: last.session };
    const problems = [problemOf(broken.session)];
    const first = await apply();
    expect(first).toMatchObject({ findings: [unpaid], waiting: 0, problems });
    expect(isInOrder(first)).toBe(false);
    expect(await cursor()).toEqual({ until: first.startedAt });
    await passBy(stage);
    expect(await apply()).toMatchObject({ findings: [unpaid], problems });
    stage.fake.setFault(null);
    const { findings } = await apply();
    expect(findings).toHaveLength(2);
    expect(findings).toContainEqual(
      expect.objectContaining({ object: broken.session, credits: -100 }),
    );
  });

  test('has had its turn: where a run asks for one, the next run asks for the next', async () => {
    const [broken, next] = [await buyLongAgo(stage), await buyLongAgo(stage)];
    forgetEvents(stage);
    await passBy(stage);
    fail(`/v1/checkout/sessions/${broken.session}`);
    next.setPaid(false);
    const problems = [problemOf(broken.session)];
    expect(await apply(1)).toMatchObject({ found: 0, waiting: 1, problems });
    expect(await apply(1)).toMatchObject({ found: 1, waiting: 0 });
  });

  test('holds up no dispute whose end was not told', async () => {
    const [broken, won] = [await disputeLongAgo(stage), await disputeLongAgo(stage)];
    stage.fake.closeDispute(won.id, 'won');
    forgetEvents(stage);
    fail(`/v1/disputes/${broken.id}`);
    const problems = [problemOf(broken.id)];
    expect(await apply(1)).toMatchObject({ found: 0, problems });
    expect(await apply(1)).toMatchObject({ repaired: 1, problems: [] });
    expect(await apply()).toMatchObject({ found: 0, problems });
    expect(await stage.balanceOf(won.userId)).toBe(100);
  });

  test('holds up nothing that runs before have left', async () => {
    const broken = buyPack(stage, { price: 'price_later' });
    const next = buyPack(stage, { price: 'price_later' });
    forgetEvents(stage);
    await apply();
    await passBy(stage);
    await publishPrices(stage.db, new Map([['price_later', 70]]));
    await stage.db.sql(
      `UPDATE stripe_findings SET looked_at = '2020-01-01' WHERE object = '${broken.session}'`,
    );
    fail(`/v1/checkout/sessions/${broken.session}`);
    expect(await apply()).toMatchObject({ repaired: 1, problems: [problemOf(broken.session)] });
    expect(await stage.balanceOf(next.userId)).toBe(70);
    stage.fake.setFault(null);
    expect(await apply()).toMatchObject({ repaired: 1, problems: [] });
    expect(await stage.balanceOf(broken.userId)).toBe(70);
  });

  test('holds up no invoice behind it in the list, nor the cursor', async () => {
    await publishPrices(stage.db, new Map([['by_hand', { credits: 10, manual: 'grant' }]]));
    const [next, broken] = [writeInvoice(stage, 'by_hand', 1), writeInvoice(stage, 'by_hand', 12)];
    forgetEvents(stage);
    fail(`/v1/invoices/${broken.id}/lines`);
    const problems = [problemOf(broken.id)];
    const { startedAt, ...first } = await apply();
    expect(first).toMatchObject({ found: 1, repaired: 1, problems });
    expect(await stage.balanceOf(next.userId)).toBe(10);
    expect(await cursor()).toEqual({ until: startedAt });
    expect(await apply()).toMatchObject({ found: 0, problems });
    await passBy(stage);
    expect(await apply()).toMatchObject({ found: 0, problems });
    stage.fake.setFault(null);
    expect(await apply()).toMatchObject({ repaired: 1, problems: [] });
    expect(await stage.balanceOf(broken.userId)).toBe(120);
    expect(await stage.db.sql('SELECT FROM stripe_findings')).toEqual([]);
  });
});

test('a dry run writes down nothing of what it could not look at', async () => {
  const { session } = await buyLongAgo(stage);
  const { id } = writeInvoice(stage, 'consulting', 12);
  forgetEvents(stage);
  const state = () => stage.db.sql('SELECT asked_at FROM stripe_payments');
  const before = await state();
  for (const path of [`/v1/invoices/${id}/lines`, `/v1/checkout/sessions/${session}`]) {
    fail(path);
    expect(await reconcileOn(stage)).toMatchObject({ problems: [expect.any(String)], unseen: [] });
  }
  expect(await state()).toEqual(before);
  expect(await stage.db.sql('SELECT FROM stripe_findings')).toEqual([]);
});

test('after 50 objects that the key may not read a run tries no more of their kind', async () => {
  for (let n = 0; n < 52; n++) writeInvoice(stage, 'consulting', 12);
  forgetEvents(stage);
  stage.fake.setFault({ kind: 'error', status: 403, path: '/v1/invoices/' });
  const { problems } = await apply();
  expect(problems).toContain('more than 50 objects could not be looked at');
  expect(problems).toHaveLength(51);
});

describe('a Stripe that is away', () => {
  test('ends the turns after three of them, and the next run goes on behind these', async () => {
    const disputes = [];
    for (let n = 0; n < 5; n++) disputes.push(await disputeLongAgo(stage));
    const last = disputes.at(-1);
    stage.fake.closeDispute(last?.id ?? '', 'won');
    forgetEvents(stage);
    fail('/v1/disputes/');
    const asked = stage.fake.requests();
    const { problems } = await apply();
    expect(problems).toContain(AWAY);
    expect(stage.fake.requests() - asked).toBeLessThanOrEqual(LISTS + 3 * TRIES);
    fail(`/v1/disputes/${disputes[0]?.id}`);
    const other = await stage.restart();
    const next = await reconcileOn(other, { apply: true, inTurn: 2 });
    expect(next).toMatchObject({ repaired: 1, problems: [] });
  });

  test('is left alone for a while, and what is next in another turn is then asked for', async () => {
    for (let n = 0; n < 3; n++) await disputeLongAgo(stage);
    const unpaid = await buyLongAgo(stage);
    unpaid.setPaid(false);
    forgetEvents(stage);
    fail('/v1/disputes/');
    const findings = [{ kind: 'granted-but-not-paid', object: unpaid.session }];
    expect(await apply()).toMatchObject({ findings });
  });

  test('has answered the lists: three objects in a row do not hold the cursor for ever', async () => {
    for (let n = 0; n < 3; n++) writeInvoice(stage, 'consulting', 12);
    forgetEvents(stage);
    fail('/v1/invoices/');
    expect(await apply()).toMatchObject({ problems: expect.arrayContaining([AWAY]) });
    expect(await cursor()).toEqual({ until: null });
    const { startedAt } = await reconcileOn(await stage.restart(), { apply: true });
    expect(await cursor()).toEqual({ until: startedAt });
  });

  const AWAY = "Stripe's API cannot be reached";
  /** Requests of one run for its six lists, and how often the client sends one that fails. */
  const [LISTS, TRIES] = [6, 2];
});
