import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StripeStage, startStripeStage, until } from '../../support/stripe.ts';

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage();
});
afterAll(() => stage.close());

const PACK = { price: 'price_pack' };

// What is not paid when its session ends: slow payments, and manual captures.

test('an unpaid session waits for async_payment_succeeded, in either order', async () => {
  const { fake, deliver, stored, balanceOf } = stage;
  const { receiver } = await stage.restart();
  await receiver.start();
  for (const userId of ['carol', 'dave']) {
    const { id } = fake.createSession({ userId, lines: [PACK] });
    const completed = fake.completeSession(id, 'unpaid');
    const succeeded = fake.settleSession(id, 'succeeded');
    const inOrder = userId === 'carol' ? [completed, succeeded] : [succeeded, completed];
    for (const event of inOrder) await deliver(event);
    await until(async () => (await stored(completed))?.state === 'ignored');
    expect((await stored(completed))?.reason).toContain('async_payment_succeeded decided');
    expect(await balanceOf(userId)).toBe(100);
  }
  await receiver.stop();
});

test('a failed slow payment grants nothing, in either order', async () => {
  const { fake, deliver, stored, balanceOf } = stage;
  const { receiver } = await stage.restart();
  await receiver.start();
  for (const first of ['completed', 'failed']) {
    const { id } = fake.createSession({ userId: 'eve', lines: [PACK] });
    const completed = fake.completeSession(id, 'unpaid');
    const failed = fake.settleSession(id, 'failed');
    for (const event of first === 'failed' ? [failed, completed] : [completed, failed]) {
      await deliver(event);
    }
    expect((await stored(failed))?.state).toBe('ignored');
    await until(async () => (await stored(completed))?.state === 'ignored');
    expect((await stored(completed))?.reason).toContain('async_payment_failed decided');
  }
  await receiver.stop();
  expect(await balanceOf('eve')).toBe(0);
});

test('an unpaid session of which nothing more is heard stays in sight', async () => {
  const { fake, deliver, stored } = stage;
  const { id } = fake.createSession({ userId: 'eli', lines: [PACK] });
  const completed = fake.completeSession(id, 'unpaid');
  const before = fake.requests();
  expect(await deliver(completed)).toBe('parked');
  expect(fake.requests()).toBe(before);
  expect(await stored(completed)).toMatchObject({
    reason: 'unpaid: waits for the end of its payment',
    waits_for: [id, completed.data.object['payment_intent']].map((name) => `slow_payment:${name}`),
  });
});

test('a manual capture, which no event of the session tells, is granted once it is made', async () => {
  const { fake, deliver, stored, balanceOf } = stage;
  const { receiver } = await stage.restart();
  const authorize = () => {
    const { id } = fake.createSession({ userId: 'ella', lines: [PACK], capture: 'manual' });
    const { object, events } = fake.paySession(id);
    const [completed] = events.filter(({ type }) => type === 'checkout.session.completed');
    if (!completed) throw new Error('the session was not completed');
    return { id, completed, payment: String(object['payment_intent']) };
  };
  const [captured, canceled, open] = [authorize(), authorize(), authorize()];
  for (const { completed } of [captured, canceled, open]) {
    expect(await deliver(completed)).toBe('parked');
  }
  expect(await balanceOf('ella')).toBe(0);
  fake.capturePayment(captured.payment);
  fake.cancelPayment(canceled.payment);
  await receiver.start();
  await until(async () => (await stored(captured.completed))?.state === 'done');
  await until(async () => (await stored(canceled.completed))?.state === 'ignored');
  expect((await stored(canceled.completed))?.reason).toBe('its payment was canceled');
  await until(async () => ((await stored(open.completed))?.attempts ?? 0) > 1);
  await receiver.stop();
  expect(await stored(open.completed)).toMatchObject({
    state: 'parked',
    waits_for: [open.id, open.payment].map((name) => `slow_payment:${name}`),
  });
  const { entries } = await stage.ledger.entries('ella', { limit: 10, before: null });
  expect(entries).toMatchObject([{ delta: 100, grantKey: captured.id }]);
});

test.each([
  ['succeeded', 'done', null, 100],
  ['failed', 'ignored', 'its payment failed', 0],
] as const)(
  'a slow payment that %s is noticed, though no event of it comes',
  async (end, ...then) => {
    const [state, reason, balance] = then;
    const { fake, deliver, stored, balanceOf } = stage;
    const userId = `edda_${end}`;
    const { id } = fake.createSession({ userId, lines: [PACK] });
    const completed = fake.completeSession(id, 'unpaid');
    expect(await deliver(completed)).toBe('parked');
    fake.settleSession(id, end);
    const { receiver } = await stage.restart();
    await receiver.start();
    await until(async () => (await stored(completed))?.state !== 'parked');
    await receiver.stop();
    expect(await stored(completed)).toMatchObject({ state, reason });
    expect(await balanceOf(userId)).toBe(balance);
  },
);

test('an unpaid session is asked of Stripe again when that can be reached', async () => {
  const { fake, deliver, stored, balanceOf } = stage;
  const { id } = fake.createSession({ userId: 'enid', lines: [PACK], capture: 'manual' });
  const { object, events } = fake.paySession(id);
  const completed = events.at(-1) ?? { id: '' };
  expect(await deliver(completed)).toBe('parked');
  fake.capturePayment(String(object['payment_intent']));
  fake.setFault({ kind: 'error', status: 500, path: `/v1/checkout/sessions/${id}` });
  const { receiver } = await stage.restart();
  await receiver.start();
  await until(async () => (await stored(completed))?.waits_for?.includes('stripe_api'));
  expect((await stored(completed))?.reason).toContain("unpaid: Stripe's API cannot be reached");
  fake.setFault(null);
  await until(async () => (await stored(completed))?.state === 'done');
  await receiver.stop();
  expect(await balanceOf('enid')).toBe(100);
});
